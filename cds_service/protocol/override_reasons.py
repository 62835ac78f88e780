"""The codes that HL7 has for why a recommendation was not followed, which CDS Hooks 3.0 suggests for override reasons.

Source: CodeSystem-non-adherence-reason-codes.json of the specification (github.com/HL7/cds-hooks, June 2026).
"""

from __future__ import annotations

HL7_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
HL7_CODES = frozenset(
    {
        "cds-not-applicable",
        "patient-ineligible",
        "indication-order-exists",
        "action-completed",
        "action-unsuccessful",
        "action-performed-no-adverse-effect",
        "action-not-priority",
        "cds-suboptimal-context",
        "limited-time",
        "wrong-time-workflow",
        "inappropriate-recipient",
        "need-more-info",
        "recipient-disagrees-evidence",
        "does-not-align-latest-evidence",
        "expert-contradicts",
        "policy-contradicts",
        "recipient-does-not-trust",
        "recipient-concerns-outcomes",
        "risk-benefit-ratio",
        "mitigate-risk-negative-outcome",
        "likely-negative-health-outcomes",
        "patient-contraindication",
        "does-not-align-preferences",
        "patient-fears-discomfort",
        "patient-does-not-want-change",
        "cultural-religious-reason",
        "prefers-alternative",
        "patient-refuses",
        "not-convenient-feasible",
        "inadequate-support",
        "service-not-available",
        "implementation-challenges",
        "too-costly-uncovered",
        "recipient-does-not-understand",
        "comorbidity-disability",
    }
)


def system_of(code: str, own: str) -> str:
    """The system of a code of a pack: HL7's if it is one of theirs, else the pack's ``own``."""
    return HL7_SYSTEM if code in HL7_CODES else own
