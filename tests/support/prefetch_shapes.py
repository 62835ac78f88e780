"""What clients send under a prefetch key beside the resources that were asked for, by what it means."""

from __future__ import annotations

from typing import Any

# What order-select asks for.
KEYS = [
    "patient",
    "conditions",
    "allergyIntolerances",
    "medicationRequests",
    "medicationAdministrations",
    "procedures",
    "medicationDispenses",
    "medicationStatements",
    "platelets",
    "vitaminB12",
    "egfr",
    "creatinine",
    "dialysisCreatinine",
    "homocysteine",
]


def outcome(severity: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}], **more}


def bundle(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


NOTHING_FOUND: dict[str, Any] = {
    "bundle-without-entry": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    "bundle-with-empty-entry": {"resourceType": "Bundle", "type": "searchset", "entry": []},
    "bundle-with-null-entry": {"resourceType": "Bundle", "entry": None},
    "bundle-with-warning": {
        "resourceType": "Bundle",
        "total": 0,
        "entry": [{"resource": outcome("warning"), "search": {"mode": "outcome"}}],
    },
    "bundle-with-information": bundle(outcome("information")),
    "outcome-warning": outcome("warning"),
}
FAILED = {
    "outcome-error": outcome("error"),
    "outcome-fatal": outcome("fatal"),
    "bundle-with-error": bundle(outcome("error")),
}
MALFORMED: dict[str, Any] = {
    "string": "x",
    "empty-string": "",
    "number": 1,
    "true": True,
    "array": [],
    "array-of-resources": [{"resourceType": "Observation"}],
    "empty-object": {},
    "other-type": {"resourceType": "Practitioner", "id": "x"},
    "type-is-number": {"resourceType": 1},
    "type-is-null": {"resourceType": None},
    "bundle-entry-object": {"resourceType": "Bundle", "entry": {"resource": {}}},
    "bundle-entry-string": {"resourceType": "Bundle", "entry": "x"},
    "bundle-entry-of-strings": {"resourceType": "Bundle", "entry": ["x"]},
}
ODD_ENTRIES = {
    "entry-empty": {"resourceType": "Bundle", "entry": [{}]},
    "entry-null": {"resourceType": "Bundle", "entry": [None]},
    "resource-null": bundle(None),
    "resource-string": bundle("x"),
    "resource-array": bundle([]),
    "resource-empty": bundle({}),
    "resource-of-other-type": bundle({"resourceType": "Practitioner", "id": "x"}),
    "link-null": bundle(link=None),
    "link-object": bundle(link={}),
    "link-of-null": bundle(link=[None]),
    "link-next": bundle(link=[{"relation": "next", "url": "https://evil.example/next"}]),
    "outcome-without-issue": {"resourceType": "OperationOutcome"},
    "outcome-issue-empty": {"resourceType": "OperationOutcome", "issue": []},
    "outcome-issue-string": {"resourceType": "OperationOutcome", "issue": "x"},
    "outcome-severity-number": {"resourceType": "OperationOutcome", "issue": [{"severity": 1}]},
    "bundle-outcome-issue-string": bundle({"resourceType": "OperationOutcome", "issue": "x"}),
    "bundle-in-bundle": bundle(bundle()),
}
