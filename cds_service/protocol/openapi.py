"""The OpenAPI 3.1 document of this service, made from the schemas that the code itself validates with.

Requests are described by the structures that decode them, responses by the JSON Schema that tests check every answer
against. Every schema has a name and all of its members in one place: what generators of clients make of ``allOf``,
``oneOf`` and nameless schemas loses members or whole operations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from cds_service.protocol.envelope import REQUESTS
from cds_service.protocol.feedback import OUTCOMES, FeedbackEntry

_REFERENCE = "#/components/schemas/{name}"
_OUTCOMES = {
    400: "The request is wrong; the OperationOutcome names the path.",
    401: "The token of a client that may call is missing or not in order.",
    403: "This client may not call this service.",
    404: "There is no such path or service.",
    405: "This method is not allowed here.",
    412: "The order cannot be judged for want of data, which the OperationOutcome names.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request mixes patients.",
    503: "What was sent could not be checked or stored; send it again.",
}


def openapi(
    version: str, services: Iterable[Mapping[str, Any]], *, authenticated: bool, open_discovery: bool = False
) -> dict[str, Any]:
    """The document for ``services`` as discovery lists them: ``id``, ``hook``, ``title``, ``description``.

    ``authenticated`` says whether only configured clients may call, with their signed tokens, and ``open_discovery``
    whether discovery answers anybody even then. Every operation says which.
    """
    discovery = _operation("discovery", "The services and what they ask to be prefetched", _reference("Discovery"))
    discovery["responses"]["304"] = {"description": "As the ETag in If-None-Match says (Z93)."}
    paths: dict[str, Any] = {
        "/cds-services": {"get": _secured(discovery, 401) if authenticated and not open_discovery else discovery}
    }
    for service in services:
        call, feedback = _call(service), _feedback(service)
        if authenticated:
            call, feedback = _secured(call, 401, 403, 503), _secured(feedback, 401, 403, 503)
        path = f"/cds-services/{service['id']}"
        paths[path] = {"post": call}
        paths[f"{path}/feedback"] = {"post": feedback}
    paths |= {
        "/healthz": {"get": _operation("alive", "Whether the process answers", {"type": "object"})},
        "/readyz": {
            "get": _operation("ready", "Content, site and store", {"type": "object"})
            | {"responses": {"200": _json("Ready", {"type": "object"}), "503": _json("Not ready", {"type": "object"})}}
        },
        "/metrics": {
            "get": _operation("metrics", "Counts for Prometheus", {})
            | {"responses": {"200": {"description": "Prometheus text", "content": {"text/plain": {}}}}}
        },
        "/openapi.json": {"get": _operation("openapi", "This document", {"type": "object"})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "cds-service", "version": version, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(), **({"securitySchemes": _SECURITY} if authenticated else {})},
    }


def _call(service: Mapping[str, Any]) -> dict[str, Any]:
    """The operation of one service, whose body is the one of its hook."""
    operation = _operation(service["id"], service["title"], _reference("CdsServiceResponse"))
    operation |= {
        "description": service["description"],
        "requestBody": _body(_reference(REQUESTS[service["hook"]].__name__)),
    }
    operation["responses"] |= _errors(400, 412, 413, 415, 422)
    return operation


def _feedback(service: Mapping[str, Any]) -> dict[str, Any]:
    """The operation that takes feedback on the cards of one service."""
    operation = _operation(f"{service['id']}-feedback", f"What became of cards of {service['id']}", {})
    operation["requestBody"] = _body(_reference("FeedbackRequest"))
    operation["responses"] = {"200": {"description": "Stored."}} | _errors(400, 413, 415, 503)
    return operation


def _secured(operation: dict[str, Any], *statuses: int) -> dict[str, Any]:
    """The operation as only configured clients may call it; others get these statuses."""
    return operation | {"security": [{"client": []}], "responses": operation["responses"] | _errors(*statuses)}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=name)}


def _operation(identity: str, summary: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """An operation that anybody may call: generators and linters want to be told so."""
    responses = {"200": _json("As asked", answer)}
    return {"operationId": identity, "summary": summary, "security": [], "responses": responses}


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": dict(schema)}}}


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": dict(schema)}}}


def _errors(*statuses: int) -> dict[str, Any]:
    outcome = _reference("OperationOutcome")
    return {
        str(status): {
            "description": _OUTCOMES[status],
            "content": {"application/fhir+json": {"schema": outcome}},
        }
        for status in statuses
    }


@cache
def _schemas() -> dict[str, Any]:
    """The schemas of the structures that requests are decoded with, and those of the responses."""
    _, decoded = msgspec.json.schema_components((*REQUESTS.values(), FeedbackEntry), ref_template=_REFERENCE)
    for schema in decoded.values():
        schema["properties"] = {name: _plain(member) for name, member in schema["properties"].items()}
        if "draftOrders" in schema["properties"]:
            schema["properties"]["draftOrders"] = _reference("DraftOrders")
    for hook, request in REQUESTS.items():
        decoded[request.__name__]["properties"]["hook"] = {"type": "string", "enum": [hook]}
    decoded["FeedbackEntry"]["properties"]["outcome"] = {"type": "string", "enum": list(OUTCOMES)}
    text = files("cds_service.protocol").joinpath("schemas", "response.json").read_text(encoding="utf-8")
    answer = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = answer.pop("$defs")
    for name in ("$schema", "$comment", "title"):
        answer.pop(name, None)
    return {**decoded, **parts, "CdsServiceResponse": answer, **_OTHERS}


def _plain(member: dict[str, Any]) -> dict[str, Any]:
    """The schema of a member without the default ``null``, and with ``null`` as one of its types where it has one:
    generators of clients understand this better than a choice of two schemas.
    """
    plain = {name: value for name, value in member.items() if name != "default"}
    options = plain.get("anyOf", [])
    if len(options) == 2 and options[1] == {"type": "null"} and "type" in options[0]:
        return {**options[0], "type": [options[0]["type"], "null"]}
    return plain


_SECURITY = {
    "client": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT signed with the client's private key, its aud the URL called (CDS Hooks, Security).",
    }
}
_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_DISCOVERY = {
    "type": "object",
    "required": ["services"],
    "properties": {"services": {"type": "array", "items": _reference("Service")}},
}
_SERVICE = {
    "type": "object",
    "required": ["hook", "id", "description"],
    "properties": {
        "hook": {"type": "string"},
        "id": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "usageRequirements": {"type": "string"},
        "prefetch": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
# Of a draft nothing but its type is checked, because real drafts are often not valid FHIR.
_DRAFT_ORDERS = {
    "type": "object",
    "description": "A FHIR Bundle of the orders that are being written",
    "required": ["resourceType"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["Bundle"]},
        "entry": {"type": ["array", "null"], "items": _reference("DraftOrdersEntry")},
    },
}
_DRAFT_ORDERS_ENTRY = {
    "type": "object",
    "required": ["resource"],
    "properties": {"fullUrl": {}, "resource": _reference("DraftOrder")},
}
_DRAFT_ORDER = {
    "type": "object",
    "description": "A FHIR resource",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}},
}
_FEEDBACK_REQUEST = {
    "type": "object",
    "required": ["feedback"],
    "properties": {"feedback": {"type": "array", "items": _reference("FeedbackEntry")}},
}
_ISSUE = {
    "type": "object",
    "required": ["severity", "code"],
    "properties": {
        "severity": {"type": "string"},
        "code": {"type": "string"},
        "details": {"type": "object", "properties": {"text": {"type": "string"}}},
        "diagnostics": {"type": "string"},
        "expression": {"type": "array", "items": {"type": "string"}},
    },
}
_OPERATION_OUTCOME = {
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"type": "string", "enum": ["OperationOutcome"]},
        "issue": {"type": "array", "minItems": 1, "items": _reference("OperationOutcomeIssue")},
    },
}
_OTHERS = {
    "Discovery": _DISCOVERY,
    "Service": _SERVICE,
    "DraftOrders": _DRAFT_ORDERS,
    "DraftOrdersEntry": _DRAFT_ORDERS_ENTRY,
    "DraftOrder": _DRAFT_ORDER,
    "FeedbackRequest": _FEEDBACK_REQUEST,
    "OperationOutcome": _OPERATION_OUTCOME,
    "OperationOutcomeIssue": _ISSUE,
}
