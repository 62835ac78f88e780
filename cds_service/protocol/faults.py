"""The errors that this service answers with: one exception, and one kind of body, an OperationOutcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_ISSUES = 20


class Fault(Exception):
    """A request that cannot be answered with cards (docs/conformance.md#errors).

    ``status`` is that of HTTP, ``code`` a FHIR IssueType, ``text`` a plain sentence without data of a patient, ``path``
    the place in the request, ``""`` for the whole of it. ``others`` are wrong with the same request besides (Z91).
    """

    def __init__(self, status: int, code: str, text: str, path: str = "") -> None:
        self.status = status
        self.code = code
        self.text = text
        self.path = path
        self.others: tuple[Fault, ...] = ()
        super().__init__(f"{status} {path} {text}")

    def every(self) -> tuple[Fault, ...]:
        """This fault and the others of the same request."""
        return self, *self.others

    def outcome(self) -> dict[str, Any]:
        """The OperationOutcome of this fault and the others (ERR-02, ERR-03), which says so if it cannot name them
        all.
        """
        issues = [issue(fault.code, fault.text, fault.path) for fault in self.every()]
        if len(issues) > MOST_ISSUES:
            rest = {"severity": "information", "code": "informational", "details": {"text": "There are more faults"}}
            issues[MOST_ISSUES - 1 :] = [rest]
        return operation_outcome(*issues)


def refuse(faults: Sequence[Fault]) -> None:
    """Refuses a request for everything that is wrong with it; an empty list is no reason to.

    Raises:
        Fault: the first of ``faults``, which names the others.
    """
    if faults:
        first, *others = faults
        first.others = tuple(others)
        raise first


def issue(code: str, text: str, path: str = "") -> dict[str, Any]:
    """One error of an OperationOutcome: the text as a sentence; ``path`` stands before it, and in ``expression``."""
    error: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": text[:1].upper() + text[1:]}}
    if path:
        error["diagnostics"] = f"{path}: {text}"
        error["expression"] = [path]
    return error


def operation_outcome(*issues: dict[str, Any]) -> dict[str, Any]:
    """A FHIR R4 OperationOutcome with these issues."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}
