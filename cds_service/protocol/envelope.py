"""The envelope of a CDS Hooks call: decoded and checked, with the prefetch left undecoded.

What is wrong is a 400 that names each path (Z91, REQ-02 to REQ-07, REQ-15, CTX-02, CTX-12). Unknown members are ignored
(J-08, EXT-04), and those that are known but never used are held to no type (Z53). Draft orders become plain JSON trees
with exact numbers, because real drafts are not valid FHIR; what is longer in them than any real draft is refused (Z94).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from cds_service.protocol.decoding import decode_json, decode_naming_all
from cds_service.protocol.faults import MOST_ISSUES, Fault, refuse

# FHIR resources of real clients have fewer than twenty levels, and their sets of orders fewer than a hundred orders.
_DEEPEST = 64
_MOST_DRAFTS = 512
# Objects in one list of this name (Z94); the last four are of a NutritionOrder.
_MOST_OF = dict.fromkeys(("coding", "dosageInstruction", "type", "schedule", "supplement", "administration"), 64)
_MOST_EXTENSIONS = 256  # in one draft, however deep they stand (Z94)
_EXTENSIONS = ("extension", "modifierExtension")
# Elements that a path may name. Any other member could be called by the name of a patient (ERR-04).
_NAMED = frozenset(
    [
        "contained",
        "code",
        "coding",
        "medication",
        "concept",
        "medicationCodeableConcept",
        "reason",
        "reasonCode",
        "dosageInstruction",
        "additionalInstruction",
        "route",
        "site",
        "method",
        "timing",
        "category",
        "oralDiet",
        "supplement",
        "enteralFormula",
        "administration",
        "schedule",
        "type",
        "extension",
        "modifierExtension",
    ]
)
_LARGE_BYTES = 16_384

ORDER_HOOKS = ("order-select", "order-sign")
_VERSION = re.compile(r"/_history/[^/]+$")
_TYPE_AND_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/([^/]+))$")
_TYPE = re.compile(r"(?:^|/)([A-Z][a-z][A-Za-z]*)(?:/[^/]*|\?.*)$")


# The structures of the request have no docstrings, because msgspec would put these into the OpenAPI document.
class FhirAuthorization(msgspec.Struct):
    access_token: str | None = None
    # The others are not used, so they are held to no type and left undecoded (Z53).
    token_type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    expires_in: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    scope: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subject: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    patient: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class PatientViewContext(msgspec.Struct, kw_only=True):
    userId: str
    patientId: str
    encounterId: str | None = None


class OrderSignContext(PatientViewContext, kw_only=True):
    draftOrders: msgspec.Raw


class OrderSelectContext(OrderSignContext, kw_only=True):
    selections: list[str]


class PatientViewRequest(msgspec.Struct, kw_only=True):
    hook: str
    hookInstance: str
    context: PatientViewContext
    fhirServer: str | None = None
    fhirAuthorization: FhirAuthorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None


class OrderSignRequest(PatientViewRequest, kw_only=True):
    context: OrderSignContext


class OrderSelectRequest(OrderSignRequest, kw_only=True):
    context: OrderSelectContext


REQUESTS: Mapping[str, type[PatientViewRequest]] = {
    "order-select": OrderSelectRequest,
    "order-sign": OrderSignRequest,
    "patient-view": PatientViewRequest,
}


class _Bundle(msgspec.Struct):
    resourceType: str
    entry: list[dict[str, Any]] | None = None


class _CountedOrder(msgspec.Struct):
    dosageInstruction: list[msgspec.Raw] | None = None


class _CountedEntry(msgspec.Struct):
    resource: _CountedOrder | None = None


class _Counted(msgspec.Struct):
    entry: list[_CountedEntry] | None = None


class _HookOnly(msgspec.Struct):
    hook: str


class Draft(msgspec.Struct, frozen=True):
    """One resource of ``draftOrders`` and where it stood in the request.

    ``reference`` is ``Type/id`` as selections name it (CTX-04), ``""`` without an id. ``key`` tells this draft from the
    others: the reference, or ``path`` if there is no reference or several drafts share it.
    """

    path: str
    resource: dict[str, Any]
    full_url: str
    reference: str
    key: str

    def names(self) -> set[str]:
        """What a selection may call this draft: ``Type/id``, the id, and the ``fullUrl`` of its entry, which may end in
        a ``Type/id`` too.
        """
        return {self.reference, self.reference.partition("/")[2], *_readings(self.full_url, ids=True)} - {""}


class HookRequest(msgspec.Struct, frozen=True, eq=False):
    """A call whose envelope is in order.

    ``selected`` are the drafts to judge: those that the selections name, or every draft if the hook has no selections
    (CTX-05, CTX-07). If no selection names any draft, and one of them is of a type that is judged or does not say its
    type, every draft is ``selected``, and ``selections_matched`` is false (Z52). ``unmatched_selections`` are those
    that name no draft, as they were sent.

    ``kept`` is for what readers have worked out of the drafts, which several steps of a call ask for.

    ``fhir_server`` and ``access_token`` are ``""`` if the client sends none. ``scope`` and ``expires_in`` of a token
    are not looked at, because clients write them in many ways (FA-05, FA-06).
    """

    hook: str
    hook_instance: str
    patient_id: str
    encounter_id: str
    user_id: str
    drafts: tuple[Draft, ...]
    selected: tuple[Draft, ...]
    prefetch: Mapping[str, msgspec.Raw]
    unmatched_selections: tuple[str, ...] = ()
    selections_matched: bool = True
    fhir_server: str = ""
    access_token: str = ""
    kept: dict[Any, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        """The hook alone: neither a token nor anything of a patient may come into a message by accident."""
        return f"HookRequest({self.hook!r})"


_hook_only = msgspec.json.Decoder(_HookOnly)
_requests = {hook: msgspec.json.Decoder(request) for hook, request in REQUESTS.items()}
_counted = msgspec.json.Decoder(_Counted)
_bundle = msgspec.json.Decoder(_Bundle, float_hook=Decimal)


def decode_request(body: bytes, hook: str, judged: Container[str]) -> HookRequest:
    """The call in ``body``, which must be for ``hook``; ``judged`` are the types of order that are judged.

    Raises:
        Fault: 400, with the path of everything that is wrong (Z91).
    """
    faults: list[Fault] = []
    call = decode_naming_all(_requests[hook], body, "", faults)
    drafts: tuple[Draft, ...] = ()
    if call is not UNSET:
        faults += _wrong_values(call, hook)
        if hook in ORDER_HOOKS and call.context is not UNSET:
            drafts = _drafts(call.context.draftOrders, faults)
    refuse(faults)
    context, selected = call.context, drafts
    unmatched: tuple[str, ...] = ()
    matched = True
    if isinstance(context, OrderSelectContext):
        selected, unmatched = _resolved(context.selections, drafts)
        matched = not unmatched or len(unmatched) < len(context.selections)
        if not matched and any(_may_be_judged(selection, judged) for selection in unmatched):
            selected = drafts
    return HookRequest(
        hook=call.hook,
        hook_instance=call.hookInstance,
        patient_id=context.patientId,
        encounter_id=context.encounterId or "",
        user_id=context.userId,
        drafts=drafts,
        selected=selected,
        prefetch=call.prefetch or {},
        unmatched_selections=unmatched,
        selections_matched=matched,
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


def _wrong_values(call: Any, hook: str) -> list[Fault]:
    """What is of the right type and still wrong; what is of the wrong type is ``UNSET`` and has its fault already."""
    faults = []
    if call.hook is not UNSET and call.hook != hook:
        faults.append(Fault(400, "invalid", f"this service answers the hook {hook}", "hook"))
    if _is_blank(call.hookInstance):
        faults.append(Fault(400, "value", "expected a non-empty string", "hookInstance"))
    context = call.context
    if context is not UNSET:
        if _is_blank(context.userId):
            faults.append(Fault(400, "value", "expected a non-empty string", "context.userId"))
        for name, value in (("patientId", context.patientId), ("encounterId", context.encounterId)):
            if _is_blank(value) or (value and "/" in value):
                path = f"context.{name}"
                faults.append(Fault(400, "value", "expected a logical id without a resource type", path))
        if hook == "order-select" and len(context.selections or ()) > _MOST_DRAFTS:
            text = f"expected at most {_MOST_DRAFTS} selected orders"
            faults.append(Fault(400, "too-costly", text, "context.selections"))
    if call.fhirAuthorization is not None and call.fhirServer in (None, ""):
        faults.append(Fault(400, "required", "a fhirAuthorization needs a fhirServer", "fhirServer"))
    return faults


def _is_blank(value: Any) -> bool:
    """Whether there is a string, and nothing but white space in it."""
    return value is not None and value is not UNSET and not value.strip()


def _drafts(raw: msgspec.Raw | msgspec.UnsetType, faults: list[Fault]) -> tuple[Draft, ...]:
    """The draft orders; what is wrong with them is added to ``faults``."""
    if raw is UNSET:
        return ()
    path, text = "context.draftOrders", bytes(raw)
    if len(text) > _LARGE_BYTES and (costly := _costly_undecoded(text, path)):
        faults.append(costly)
        return ()
    bundle = decode_naming_all(_bundle, text, path, faults)
    if bundle is UNSET:
        return ()
    if bundle.resourceType is not UNSET and bundle.resourceType != "Bundle":
        faults.append(Fault(400, "invalid", "expected a Bundle", f"{path}.resourceType"))
    if len(bundle.entry or ()) > _MOST_DRAFTS:
        faults.append(_too_many(path))
        return ()
    flat = text.count(b"{") + text.count(b"[") <= _DEEPEST  # so nothing in it is deeper or longer either
    drafts = []
    for index, entry in enumerate(bundle.entry or ()):
        if len(faults) > MOST_ISSUES:
            break
        if entry is UNSET:
            continue
        place = f"{path}.entry[{index}].resource"
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            faults.append(Fault(400, "structure", "expected a resource", place))
            continue
        kind, identity, full_url = resource.get("resourceType"), resource.get("id"), entry.get("fullUrl")
        if not isinstance(kind, str):
            faults.append(Fault(400, "structure", "expected a string", f"{place}.resourceType"))
        if not flat and (costly := _costly(resource, place)):
            faults.append(costly)
        reference = f"{kind}/{identity}" if isinstance(identity, str) and identity else ""
        drafts.append((place, resource, full_url if isinstance(full_url, str) else "", reference))
    times = Counter(reference for *_, reference in drafts)
    return tuple(
        Draft(place, resource, full_url, reference, reference if reference and times[reference] == 1 else place)
        for place, resource, full_url, reference in drafts
    )


def _costly_undecoded(raw: bytes, path: str) -> Fault | None:
    """The fault of too many drafts or dosages, found before they are decoded, which would cost many times more."""
    try:
        entries = decode_json(_counted, raw, "").entry or ()
    except Fault:  # what is wrong is found, and named, where they are decoded
        return None
    if len(entries) > _MOST_DRAFTS:
        return _too_many(path)
    most = _MOST_OF["dosageInstruction"]
    for index, entry in enumerate(entries):
        dosages = entry.resource.dosageInstruction if entry.resource is not None else None
        if len(dosages or ()) > most and sum(bytes(dosage).startswith(b"{") for dosage in dosages or ()) > most:
            return _too_long(f"{path}.entry[{index}].resource.dosageInstruction", most)
    return None


def _resolved(selections: Sequence[str], drafts: tuple[Draft, ...]) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """The drafts that the selections name, and the selections that name none (CTX-03, CTX-04, Z52).

    A selection names a draft by ``Type/id``, by the id alone, by a URL that ends in ``Type/id``, with or without a
    version, or by the ``fullUrl`` of its entry.
    """
    wanted = set(selections)
    others = wanted.difference([draft.reference for draft in drafts if draft.reference])  # those spelled in another way
    if not others:
        return tuple([draft for draft in drafts if draft.reference and draft.reference in wanted]), ()
    readings = {selection: _readings(selection) for selection in others}
    names = {name for draft in drafts for name in draft.names()}
    unmatched = tuple(s for s in selections if s in readings and names.isdisjoint(readings[s]))
    wanted.update(*readings.values())
    return tuple(draft for draft in drafts if not wanted.isdisjoint(draft.names())), unmatched


def _readings(name: str, *, ids: bool = False) -> set[str]:
    """A reference as it is written, without its version, and as the ``Type/id`` at its end; with ``ids`` its id too."""
    plain = _VERSION.sub("", name)
    match = _TYPE_AND_ID.search(plain)
    if match is None:
        return {name, plain}
    return {name, plain, match[1], match[2]} if ids else {name, plain, match[1]}


def _may_be_judged(selection: str, judged: Container[str]) -> bool:
    """Whether a selection is of a type that is judged, or says no type (Z52)."""
    match = _TYPE.search(_VERSION.sub("", selection))
    return match is None or match[1] in judged


def _too_many(path: str) -> Fault:
    return Fault(400, "too-costly", f"expected at most {_MOST_DRAFTS} draft orders", f"{path}.entry")


def _costly(resource: dict[str, Any], place: str) -> Fault | None:
    """The fault of a draft that is nested deeper, or has longer lists, than any real one; found without recursion
    (Z94).
    """
    extensions = 0
    layer: list[Any] = [resource]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for tree in layer:
            for name, value in tree.items() if isinstance(tree, dict) else (("", item) for item in tree):
                if isinstance(value, dict):
                    below.append(value)
                elif isinstance(value, list):
                    below.append(value)
                    if name in _EXTENSIONS:
                        extensions += _objects(value)
                        if extensions > _MOST_EXTENSIONS:
                            return _too_long(_path_of(value, resource, place), _MOST_EXTENSIONS)
                    elif name in _MOST_OF and len(value) > _MOST_OF[name] and _objects(value) > _MOST_OF[name]:
                        return _too_long(_path_of(value, resource, place), _MOST_OF[name])
        if not below:
            return None
        layer = below
    return Fault(400, "too-costly", "the JSON is nested too deeply", place)


def _objects(values: Iterable[Any]) -> int:
    """How many of the values are objects; nothing else is read from such a list."""
    return sum(isinstance(value, dict) for value in values)


def _too_long(path: str, most: int) -> Fault:
    """The fault of a list that has too many entries, or one too many of those of its kind."""
    return Fault(400, "too-costly", f"expected at most {most} entries of this kind", path)


def _path_of(values: list[Any], resource: dict[str, Any], place: str) -> str:
    return next(path for path, value in _below(resource, place) if value is values)


def _below(tree: dict[str, Any] | list[Any], path: str) -> Iterator[tuple[str, Any]]:
    """Every list and object in a tree, with its path, in which ``[...]`` stands for members that it may not name; found
    without recursion.
    """
    left: list[tuple[str, Any]] = [(path, tree)]
    while left:
        path, tree = left.pop()
        yield path, tree
        members = tree.items() if isinstance(tree, dict) else enumerate(tree)
        left += [
            (f"{path}.{name}" if name in _NAMED else f"{path}[{name if isinstance(name, int) else '...'}]", value)
            for name, value in members
            if isinstance(value, dict | list)
        ]
