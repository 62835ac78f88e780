"""Which FHIR statuses count, for results, treatments, lists and orders.

The codes are those of the FHIR R4 value sets that stand above each set. Which of them count is decided in D5
(results), D7 and Z14 (treatments and orders) and Z51 (lists).
"""

from __future__ import annotations

# Observations.
# https://hl7.org/fhir/R4/valueset-observation-status.html
FINAL_RESULT = frozenset({"final", "amended", "corrected"})
NO_RESULT = frozenset({"entered-in-error", "cancelled"})
PENDING = frozenset({"registered"})  # announced; without a value there is no result yet

# Orders, statements and what was done; one without a status counts as ``unknown``. An order that was stopped tells that
# treatment was under way and ended; of what was stopped while it was done, nobody can tell how much was given.
# https://hl7.org/fhir/R4/valueset-medicationrequest-status.html
# https://hl7.org/fhir/R4/valueset-medication-statement-status.html
# https://hl7.org/fhir/R4/valueset-medicationdispense-status.html
# https://hl7.org/fhir/R4/valueset-medication-admin-status.html
# https://hl7.org/fhir/R4/valueset-event-status.html
NOT_ORDERED = frozenset({"cancelled", "entered-in-error", "draft", "unknown"})
NOT_STATED = frozenset({"entered-in-error", "draft", "unknown", "not-taken", "intended"})
NOT_DONE = frozenset({"cancelled", "entered-in-error", "draft", "stopped", "not-done", "unknown"})
NOT_GIVEN = NOT_DONE | {"on-hold", "preparation"}
NOT_DISPENSED = NOT_GIVEN | {"in-progress", "declined"}

# Conditions and allergies: clinicalStatus, and verificationStatus. A differential diagnosis is a question, not a
# problem.
# https://hl7.org/fhir/R4/valueset-condition-clinical.html
# https://hl7.org/fhir/R4/valueset-condition-ver-status.html
# https://hl7.org/fhir/R4/valueset-allergyintolerance-clinical.html
# https://hl7.org/fhir/R4/valueset-allergyintolerance-verification.html
ACTIVE = frozenset({"active", "recurrence", "relapse"})
PAST = frozenset({"inactive", "remission", "resolved"})
CLINICAL = ACTIVE | PAST
NOT_SO = frozenset({"refuted", "entered-in-error", "differential"})
NOT_SURE = frozenset({"provisional", "unconfirmed"})
VERIFICATION = NOT_SO | NOT_SURE | {"confirmed", "presumed"}

# Draft orders. A stopped one is judged, as a stop, and is not under way beside another.
# https://hl7.org/fhir/R4/valueset-medicationrequest-status.html
# https://hl7.org/fhir/R4/valueset-request-status.html
NOT_JUDGED = frozenset({"cancelled", "entered-in-error", "completed"})
NOT_DRAFTED = NOT_JUDGED | {"stopped"}

# Every status that an order, a statement or what was done can have, in R4 and R5; anything else is not understood.
REQUEST_STATUSES = frozenset(
    {"active", "on-hold", "ended", "stopped", "completed", "cancelled", "entered-in-error", "draft", "unknown"}
)
# Orders of tests and of nutrition; one that is ended before all of it was done is revoked.
# https://hl7.org/fhir/R4/valueset-request-status.html
OTHER_REQUEST_STATUSES = frozenset(
    {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
)
STATEMENT_STATUSES = REQUEST_STATUSES | {"intended", "not-taken", "recorded"}
EVENT_STATUSES = frozenset(
    {"preparation", "in-progress", "not-done", "on-hold", "completed", "entered-in-error", "stopped", "unknown"}
)
DISPENSE_STATUSES = EVENT_STATUSES | {"cancelled", "declined"}

# Which intents order nothing, and the one of a plan, which may tell what the patient takes already (Z55).
# https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html
NO_ORDER = frozenset({"proposal", "option"})
PLAN = "plan"

# https://hl7.org/fhir/R4/valueset-observation-status.html
RESULT_STATUSES = FINAL_RESULT | NO_RESULT | PENDING | {"preliminary", "appended", "unknown"}
