"""The envelope of a CDS Hooks call: decoded and checked, with the prefetch left undecoded.

A fault is a 400 that names the path (REQ-02 to REQ-07, REQ-15, CTX-02, CTX-12). Unknown members are ignored
(J-08, EXT-04). Draft orders become plain JSON trees with exact numbers, because real drafts are not valid FHIR.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from cds_service.protocol.faults import Fault

# FHIR resources of real clients have fewer than twenty levels, and their sets of orders fewer than a hundred orders.
_DEEPEST = 64
_MOST_DRAFTS = 512
_LARGE_BYTES = 65_536

ORDER_HOOKS = ("order-select", "order-sign")
_PLACE = re.compile(r" - at `\$?\.?(.*)`$")
_VERSION = re.compile(r"/_history/[^/]+$")
_TYPE_AND_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[^/]+)$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


# The structures of the request have no docstrings, because msgspec would put these into the OpenAPI document.
class FhirAuthorization(msgspec.Struct):
    access_token: str | None = None
    token_type: str | None = None
    expires_in: Any = None  # neither this nor the scope is used, so neither is held to a type
    scope: Any = None
    subject: str | None = None
    patient: str | None = None


class Context(msgspec.Struct):
    userId: str
    patientId: str
    encounterId: str | None = None
    selections: list[str] | None = None
    draftOrders: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class HookBody(msgspec.Struct):
    hook: str
    hookInstance: str
    context: Context
    fhirServer: str | None = None
    fhirAuthorization: FhirAuthorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None


class _Bundle(msgspec.Struct):
    resourceType: str
    entry: list[dict[str, Any]] | None = None


class _Counted(msgspec.Struct):
    entry: list[msgspec.Raw] | None = None


class _HookOnly(msgspec.Struct):
    hook: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One resource of ``draftOrders`` and where it stood in the request.

    ``reference`` is ``Type/id`` as selections name it (CTX-04), ``""`` without an id. ``key`` tells this draft from the
    others: the reference, or ``path`` if there is no reference or several drafts share it.
    """

    path: str
    resource: dict[str, Any]
    full_url: str
    reference: str
    key: str

    def names(self) -> list[str]:
        """What a selection may call this draft: its reference, its id, and the ``fullUrl`` of its entry."""
        return [name for name in (self.reference, self.reference.partition("/")[2], self.full_url) if name]


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A call whose envelope is in order. ``selections`` is ``None`` for hooks that have none.

    ``fhir_server`` and ``access_token`` are ``""`` if the client sends none. ``scope`` and ``expires_in`` of a token
    are not looked at, because clients write them in many ways (FA-05, FA-06).
    """

    hook: str
    hook_instance: str
    patient_id: str
    encounter_id: str
    user_id: str
    selections: tuple[str, ...] | None
    drafts: tuple[Draft, ...]
    prefetch: Mapping[str, msgspec.Raw]
    fhir_server: str = ""
    access_token: str = field(default="", repr=False)

    def selected(self) -> list[Draft]:
        """The orders to judge: those selected, or every draft if the hook has no selections (CTX-05, CTX-07).

        A selection names a draft by ``Type/id``, by the id alone, by a URL that ends in ``Type/id``, with or without a
        version, or by the ``fullUrl`` of its entry. Selections that name no draft are ignored (CTX-03).
        """
        if self.selections is None:
            return list(self.drafts)
        selected = set(self.selections)
        others = selected.difference([draft.reference for draft in self.drafts])  # those spelled in another way
        selected.update(*map(_names_of_draft, others))
        return [
            draft
            for draft in self.drafts
            if (draft.reference and draft.reference in selected) or (others and not selected.isdisjoint(draft.names()))
        ]


_hook_only = msgspec.json.Decoder(_HookOnly)
_request = msgspec.json.Decoder(HookBody)
_counted = msgspec.json.Decoder(_Counted)
_bundle = msgspec.json.Decoder(_Bundle, float_hook=Decimal)


def decode_request(body: bytes, hook: str) -> HookRequest:
    """The call in ``body``, which must be for ``hook``.

    Raises:
        Fault: 400, with the path of what is wrong.
    """
    call = decode_json(_request, body, "")
    if call.hook != hook:
        raise Fault(400, "invalid", f"this service answers the hook {hook}", "hook")
    _not_blank(call.hookInstance, "hookInstance")
    context = call.context
    _not_blank(context.userId, "context.userId")
    _logical_id(context.patientId, "context.patientId")
    if context.encounterId is not None:
        _logical_id(context.encounterId, "context.encounterId")
    if call.fhirAuthorization is not None and not call.fhirServer:
        raise Fault(400, "required", "fhirAuthorization needs a fhirServer", "fhirServer")
    if hook == "order-select" and not context.selections:
        raise Fault(400, "required", "expected at least one selected order", "context.selections")
    return HookRequest(
        hook=call.hook,
        hook_instance=call.hookInstance,
        patient_id=context.patientId,
        encounter_id=context.encounterId or "",
        user_id=context.userId,
        selections=tuple(context.selections or ()) if hook == "order-select" else None,
        drafts=_drafts(context.draftOrders) if hook in ORDER_HOOKS else (),
        prefetch=call.prefetch or {},
        fhir_server=call.fhirServer or "",
        access_token=(call.fhirAuthorization.access_token if call.fhirAuthorization else None) or "",
    )


def read_hook(body: bytes) -> str:
    """The hook that a call is for.

    Raises:
        Fault: 400 if it names none, or is not JSON.
    """
    hook: str = decode_json(_hook_only, body, "").hook
    return hook


def _drafts(raw: msgspec.Raw | msgspec.UnsetType) -> tuple[Draft, ...]:
    path = "context.draftOrders"
    if isinstance(raw, msgspec.UnsetType) or bytes(raw) == b"null":
        raise Fault(400, "required", "expected a Bundle", path)
    if len(bytes(raw)) > _LARGE_BYTES and len(decode_json(_counted, bytes(raw), path).entry or ()) > _MOST_DRAFTS:
        raise _too_many(path)  # before they are decoded, which would cost a hundred times as much
    bundle = decode_json(_bundle, bytes(raw), path)
    if bundle.resourceType != "Bundle":
        raise Fault(400, "invalid", "expected a Bundle", f"{path}.resourceType")
    if len(bundle.entry or ()) > _MOST_DRAFTS:
        raise _too_many(path)
    flat = bytes(raw).count(b"{") + bytes(raw).count(b"[") <= _DEEPEST  # so nothing in it is deeper either
    drafts = []
    for index, entry in enumerate(bundle.entry or ()):
        place = f"{path}.entry[{index}].resource"
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            raise Fault(400, "structure", "expected a resource", place)
        if not isinstance(resource.get("resourceType"), str):
            raise Fault(400, "structure", "expected a string", f"{place}.resourceType")
        if not flat and _deeper_than(resource, _DEEPEST):
            raise Fault(400, "too-costly", "the JSON is nested too deeply", place)
        kind, identity, full_url = resource["resourceType"], resource.get("id"), entry.get("fullUrl")
        reference = f"{kind}/{identity}" if isinstance(identity, str) and identity else ""
        drafts.append((place, resource, full_url if isinstance(full_url, str) else "", reference))
    times = Counter(reference for *_, reference in drafts)
    return tuple(
        Draft(place, resource, full_url, reference, reference if reference and times[reference] == 1 else place)
        for place, resource, full_url, reference in drafts
    )


def _names_of_draft(selection: str) -> list[str]:
    """The names of a draft that a selection can mean: as it is written, and as the ``Type/id`` at its end."""
    match = _TYPE_AND_ID.search(_VERSION.sub("", selection))
    return [selection, match[1]] if match else [selection]


def _too_many(path: str) -> Fault:
    return Fault(400, "too-costly", f"expected at most {_MOST_DRAFTS} draft orders", f"{path}.entry")


def _deeper_than(tree: Any, levels: int) -> bool:
    """Whether objects and lists are nested more than ``levels`` deep; found without recursion."""
    layer = [tree]
    for _ in range(levels):
        layer = [
            child
            for node in layer
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not layer:
            return False
    return True


def decode_json(decoder: msgspec.json.Decoder[Any], body: bytes, prefix: str) -> Any:
    """What ``decoder`` reads from ``body``, which is at the path ``prefix`` of the request.

    Raises:
        Fault: 400, with the path of what is wrong and without any value of the request.
    """
    try:
        body.decode("utf-8")
        return decoder.decode(body)
    except UnicodeDecodeError:
        raise Fault(400, "invalid", "the body is not UTF-8", prefix) from None
    except RecursionError:
        raise Fault(400, "too-costly", "the JSON is nested too deeply", prefix) from None
    except msgspec.ValidationError as error:
        raise Fault(400, "structure", *_text_and_path(str(error), prefix)) from None
    except msgspec.DecodeError:
        raise Fault(400, "invalid", "the body is not JSON", prefix) from None


def _text_and_path(message: str, prefix: str) -> tuple[str, str]:
    """The sentence and the path of a type error. Messages of msgspec name types and members, never values."""
    place = _PLACE.search(message)
    path = place[1] if place else ""
    text = _PLACE.sub("", message)
    missing = _MISSING.search(text)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        text = "a required member is missing"
    text = text.replace("`", "")
    return text[:1].lower() + text[1:], ".".join(filter(None, [prefix, path])).replace(".[", "[")


def _not_blank(value: str, path: str) -> None:
    if not value.strip():
        raise Fault(400, "value", "expected a non-empty string", path)


def _logical_id(value: str, path: str) -> None:
    if not value.strip() or "/" in value:
        raise Fault(400, "value", "expected a logical id without a resource type", path)
