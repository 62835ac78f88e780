# ruff: noqa: E501 (a row of a table is one line)
"""How clients name the selected orders (Z52) and write the members around them that are never used (Z53).

The draft is an injection into the muscle for a man with 22 platelets, so that a draft that is judged is critical.
"""

from tests.support.hospital_calls import (
    CRITICAL,
    NO_CARD,
    REFUSED_OR_SAID,
    Right,
    assert_right,
    authorization,
    in_bytes,
    row,
    selections,
    table,
)

UUID = "urn:uuid:6f1f2b1e-0000-4000-8000-000000000001"
TWO = ("hydroxocobalamin-im-three-weekly", "atorvastatin")


def full_url(url):
    return lambda call: call.drafts[0].update(fullUrl=url)


def without_id(call):
    del call.order["id"]


def without_prefetch(call):
    call.body["prefetch"] = {}


@table(
    row("type and id", "as CDS Hooks has it", CRITICAL, selections("MedicationRequest/draft-1")),
    row("absolute", "with the address of the server", CRITICAL, selections("https://ehr.example/fhir/MedicationRequest/draft-1")),
    row("versioned", "with its history", CRITICAL, selections("MedicationRequest/draft-1/_history/1")),
    row("absolute and versioned", "both", CRITICAL, selections("https://ehr.example/fhir/R4/MedicationRequest/draft-1/_history/2")),
    row("fullUrl", "a Bundle of drafts", CRITICAL, full_url(UUID), selections(UUID)),
    row("fullUrl of a draft without id", "a Bundle of drafts", CRITICAL, full_url(UUID), without_id, selections(UUID)),
    row("absolute fullUrl", "a Bundle of drafts", CRITICAL, full_url("https://ehr.example/fhir/MedicationRequest/draft-1"), selections("https://ehr.example/fhir/MedicationRequest/draft-1")),
    row("with a stroke before it", "a path", CRITICAL, selections("/MedicationRequest/draft-1")),
    row("twice", "one draft", CRITICAL, selections("MedicationRequest/draft-1", "draft-1")),
)  # fmt: skip
def test_a_selected_draft_is_judged_however_it_is_named(prepared, case):
    assert_right(prepared, case)


@table(
    row("an order that is not there", "the draft has another id by now", CRITICAL, selections("MedicationRequest/zz")),
    row("an id that is not there", "no type", CRITICAL, selections("zz")),
    row("an empty text", "names nothing", CRITICAL, selections("")),
    row("several that are not there", "one of them a drug", CRITICAL, selections("ServiceRequest/9", "MedicationRequest/zz")),
    row("facts missing for such drafts", "no 412 for what was perhaps not selected", Right("imPlatelets", ("info", "warning"), status=(200,)), selections("zz"), without_prefetch),
)  # fmt: skip
def test_where_no_selection_matches_all_drafts_are_judged(prepared, case):
    assert_right(prepared, case)


@table(
    row("none selected", "an empty list", NO_CARD, selections()),
    row("another kind of order", "a request for a service", NO_CARD, selections("ServiceRequest/9")),
    row("another draft", "atorvastatin", NO_CARD, selections("MedicationRequest/draft-2"), drafts=TWO),
    row("another draft by bare id", "atorvastatin", NO_CARD, selections("draft-2"), drafts=TWO),
    row("another draft and one that is not there", "one of them matches", NO_CARD, selections("draft-2", "zz"), drafts=TWO),
)  # fmt: skip
def test_what_is_not_selected_is_not_judged(prepared, case):
    assert_right(prepared, case)


@table(
    row("life of a token in words", "never used", CRITICAL, authorization(expires_in="soon")),
    row("life of a token as a fraction", "never used", CRITICAL, authorization(expires_in=300.5)),
    row("no life of a token", "never used", CRITICAL, authorization(expires_in=None)),
    row("scope as a list", "never used", CRITICAL, authorization(scope=["patient/*.read", "launch"])),
    row("no scope", "never used", CRITICAL, authorization(scope=None)),
    row("scope in prose", "never used", CRITICAL, authorization(scope="Observation.Read (Labs) (R4)")),
    row("no subject", "never used", CRITICAL, authorization(subject=None)),
    row("subject as a number", "never used", CRITICAL, authorization(subject=12)),
    row("patient of the token", "of a newer version of CDS Hooks", CRITICAL, authorization(patient="kwame-mensah")),
    row("members that nobody knows", "a client of its own", CRITICAL, authorization(zz={"a": [1]})),
    row("a byte order mark", "files of Windows", CRITICAL, in_bytes(lambda body: b"\xef\xbb\xbf" + body)),
    row("an extension that nobody knows", "clients add theirs", CRITICAL, lambda call: call.body.update(extension={"com.example.x": [1, None]})),
    row("prefetch keys that nobody asked for", "a client adds its own", CRITICAL, lambda call: call.body["prefetch"].update({"-user": {"resourceType": "Practitioner"}, "zz": 3})),
    row("null prefetch of another key", "nothing was found", CRITICAL, lambda call: call.body["prefetch"].update(procedures=None)),
    row("drafts without the type of their Bundle", "the public sandbox", CRITICAL, lambda call: call.body["context"]["draftOrders"].pop("type")),
    row("drafts without intent", "the public sandbox", CRITICAL, lambda call: call.order.pop("intent")),
    row("platelets under a wrapped key", "as a member of a member", REFUSED_OR_SAID, lambda call: call.body["prefetch"].update(platelets={"bundle": call.body["prefetch"]["platelets"]})),
)  # fmt: skip
def test_members_that_are_never_used_cost_no_card(prepared, case):
    assert_right(prepared, case)
