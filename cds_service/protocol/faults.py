"""The errors that this service answers with: one exception, and one kind of body, an OperationOutcome."""

from __future__ import annotations

from typing import Any


class Fault(Exception):
    """A request that cannot be answered with cards (docs/conformance.md#errors).

    ``status`` is that of HTTP, ``code`` a FHIR IssueType, ``text`` a plain sentence without data of a patient, ``path``
    the place in the request, ``""`` for the whole of it.
    """

    def __init__(self, status: int, code: str, text: str, path: str = "") -> None:
        self.status = status
        self.code = code
        self.text = text
        self.path = path
        super().__init__(f"{status} {path} {text}")

    def outcome(self) -> dict[str, Any]:
        """The OperationOutcome of this fault (ERR-02, ERR-03)."""
        return operation_outcome(self.code, self.text, self.path)


def operation_outcome(code: str, text: str, path: str = "") -> dict[str, Any]:
    """A FHIR R4 OperationOutcome with one error; ``path`` also stands in ``expression``."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": text}}
    if path:
        issue["diagnostics"] = f"{path}: {text}"
        issue["expression"] = [path]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
