"""Feedback as clients send it: checked, and brought from every spelling in use to one form.

Reasons come spelled as ``overrideReason.reason`` (the specification), ``overrideReasons.reason`` or named members of
``overrideReasons.extension`` (Epic), ``overrideReason.code`` (early sandbox) and ``overrideReason.key`` (WintEHR).
Unknown members are ignored (J-08, EXT-01). A fault names ``feedback[i]`` and repeats no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from cds_service.protocol.decoding import decode_json
from cds_service.protocol.faults import MOST_ISSUES, Fault, refuse

OUTCOMES = ("accepted", "overridden")
MAX_BODY_BYTES = 1_000_000
# A longer text is not a code or a name, and is refused. A longer comment is cut, so that the rest is kept (FB-18).
_LONGEST_TEXT = 1_024
_LONGEST_COMMENT = 4_000
_LONGEST_RAW = 16_000
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_EPIC = "com.epic.cdshooks.feedback.overrideReason."
# The members of an entry that hold codes, ids and displays of codes: what is kept of it if free text is not kept. They
# are listed by place, because a client may write free text into any other member, even one that is a code elsewhere.
_Shape = dict[str, Any]
_CODING: _Shape = dict.fromkeys(("code", "key", "system", "display"))
_EPIC_NAMES: _Shape = {_EPIC + name: None for name in ("reasonCategory", "reasonDisplay", "reasonTitle")}
_REASON: _Shape = _CODING | {"reason": _CODING, "extension": _EPIC_NAMES}
_CODED: _Shape = dict.fromkeys(("card", "outcome", "outcomeTimestamp")) | {
    "acceptedSuggestions": {"id": None},
    "overrideReason": _REASON,
    "overrideReasons": _REASON,
}


# The structures of the request have no docstrings, because msgspec would put these into the OpenAPI document.
class AcceptedSuggestion(msgspec.Struct):
    id: str


class ReasonCoding(msgspec.Struct):
    code: str | None = None
    system: str | None = None
    display: str | None = None


class OverrideReason(msgspec.Struct):
    reason: ReasonCoding | None = None
    code: str | None = None
    key: str | None = None
    system: str | None = None
    display: str | None = None
    userComment: str | None = None
    extension: Any = None


class FeedbackEntry(msgspec.Struct):
    card: str
    outcome: str
    outcomeTimestamp: str
    acceptedSuggestions: list[AcceptedSuggestion] | None = None
    overrideReason: OverrideReason | None = None
    overrideReasons: OverrideReason | None = None


class _Feedback(msgspec.Struct):
    feedback: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing that a clinician did with a card.

    ``at`` is in UTC. ``reason`` is system, code and display. Texts are ``""`` if nothing was sent. ``raw`` is the entry
    as it was sent, or only its coded members if free text is not kept or the entry is very long.
    """

    card: str
    outcome: str
    at: datetime
    suggestions: tuple[str, ...]
    reason: tuple[str, str, str]
    comment: str
    raw: str


_feedback = msgspec.json.Decoder(_Feedback)
_entry = msgspec.json.Decoder(FeedbackEntry)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str | None)


def decode_feedback(body: bytes, *, keep_comments: bool) -> tuple[Feedback, ...]:
    """The entries of one call; if one of them is wrong, none is taken (FB-15).

    Raises:
        Fault: 400, with the path of what is wrong in each entry, of which only the first is told (Z91).
    """
    raws = decode_json(_feedback, body, "").feedback
    read: list[Feedback] = []
    faults: list[Fault] = []
    for index, raw in enumerate(raws):
        if len(faults) > MOST_ISSUES:
            break
        try:
            read.append(_read(bytes(raw), f"feedback[{index}]", keep_comments))
        except Fault as fault:
            faults.append(fault)
    refuse(faults)
    return tuple(read)


def _read(raw: bytes, path: str, keep_comments: bool) -> Feedback:
    entry: FeedbackEntry = decode_json(_entry, raw, path)
    if entry.outcome not in OUTCOMES:
        raise Fault(400, "value", f"expected one of {', '.join(OUTCOMES)}", f"{path}.outcome")
    suggestions = [
        _uuid(suggestion.id, f"{path}.acceptedSuggestions[{index}].id")
        for index, suggestion in enumerate(entry.acceptedSuggestions or ())
    ]
    if entry.outcome == "accepted" and not suggestions:
        raise Fault(400, "required", "expected at least one accepted suggestion", f"{path}.acceptedSuggestions")
    name = "overrideReason" if entry.overrideReason is not None else "overrideReasons"
    given = entry.overrideReason or entry.overrideReasons or OverrideReason()
    return Feedback(
        card=_uuid(entry.card, f"{path}.card"),
        outcome=entry.outcome,
        at=_moment(entry.outcomeTimestamp, f"{path}.outcomeTimestamp"),
        suggestions=tuple(dict.fromkeys(suggestions)),
        reason=_reason(given, f"{path}.{name}", keep_comments),
        comment=_storable(given.userComment or "")[:_LONGEST_COMMENT] if keep_comments else "",
        raw=_raw(raw, keep_comments),
    )


def _reason(given: OverrideReason, path: str, keep_comments: bool) -> tuple[str, str, str]:
    """System, code and display of a reason, whichever way it is spelled.

    A display without a code is free text, and is kept only if comments are kept (FB-18).
    """
    if given.reason is not None:
        coding, path = given.reason, f"{path}.reason"
    elif isinstance(given.extension, dict) and any(str(name).startswith(_EPIC) for name in given.extension):
        members = [given.extension.get(_EPIC + name) for name in ("reasonCategory", "reasonDisplay", "reasonTitle")]
        category, display, title = (value if isinstance(value, str) else "" for value in members)
        coding = ReasonCoding(category, _EPIC + "reasonCategory", display or title)
    else:
        coding = ReasonCoding(given.code or given.key, given.system, given.display)
    texts = {"system": coding.system or "", "code": coding.code or "", "display": coding.display or ""}
    for name, text in texts.items():
        _bounded(text, f"{path}.{name}")
    if not texts["code"] and not keep_comments:
        texts["display"] = ""
    return _storable(texts["system"]), _storable(texts["code"]), _storable(texts["display"])


def _uuid(text: str, path: str) -> str:
    """A uuid in its usual form, or any other text as it is: whose it is turns out later (FB-12)."""
    if not text.strip():
        raise Fault(400, "value", "expected a non-empty string", path)
    _bounded(text, path)
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return _storable(text)


def _moment(text: str, path: str) -> datetime:
    """An RFC 3339 time in UTC. Digits beyond the microsecond are dropped; a leap second becomes the next second."""
    match = _RFC_3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        start, seconds, fraction, offset = match.groups()
        leap = seconds == "60"
        moment = datetime.fromisoformat(
            f"{start}{'59' if leap else seconds}{(fraction or '')[:7]}{offset}".upper()
        ) + timedelta(seconds=leap)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault(400, "value", "expected an RFC 3339 date and time with its offset", path) from None


def _raw(raw: bytes, keep_comments: bool) -> str:
    if keep_comments and len(raw) <= _LONGEST_RAW:
        return raw.decode()
    return msgspec.json.encode(_coded(raw, _CODED)).decode()


def _coded(raw: bytes, shape: _Shape | None) -> Any:
    """The JSON with only those members that ``shape`` has; a value of another type than expected is left out.

    Nothing else is decoded, so that a number that is too large for Python does no harm.
    """
    try:
        if shape is None:
            return _text.decode(raw)
        if raw[:1] == b"[":
            return [_coded(bytes(item), shape) for item in _items.decode(raw)]
        members = _members.decode(raw)
    except msgspec.ValidationError:
        return None
    known = {name: _coded(bytes(member), shape[name]) for name, member in members.items() if name in shape}
    if "display" in shape and not known.get("code") and not known.get("key"):
        known.pop("display", None)
    return {name: value for name, value in known.items() if value is not None}


def _bounded(text: str, path: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise Fault(400, "too-long", f"expected at most {_LONGEST_TEXT} characters", path)


def _storable(text: str) -> str:
    """The text as PostgreSQL can store it: without the character NUL."""
    return text.replace("\0", "\ufffd")
