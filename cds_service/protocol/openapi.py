"""The OpenAPI 3.1 document of this service, made from the schemas that the code itself validates with.

Requests are described by the structures that decode them, responses by the JSON Schema that tests check every answer
against.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from cds_service.protocol.envelope import REQUESTS
from cds_service.protocol.feedback import FeedbackEntry

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


def openapi(version: str, services: Iterable[Mapping[str, Any]], *, authenticated: bool) -> dict[str, Any]:
    """The document for ``services`` as discovery lists them: ``id``, ``hook``, ``title``, ``description``.

    ``authenticated`` says whether only configured clients may call, with their signed tokens.
    """
    paths: dict[str, Any] = {
        "/cds-services": {"get": _operation("discovery", "The services and what they ask to be prefetched", _DISCOVERY)}
    }
    for service in services:
        call, feedback = _call(service), _feedback(service)
        if authenticated:
            for operation in (call, feedback):
                operation["security"] = [{"client": []}]
                operation["responses"] |= _errors(401, 403, 503)
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
            "get": {
                "operationId": "metrics",
                "summary": "Counts for Prometheus",
                "responses": {"200": {"description": "Prometheus text", "content": {"text/plain": {}}}},
            }
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
    """The operation of one service: the common body, the name of its hook, and what its context must hold besides."""
    needed: dict[str, dict[str, Any]] = {
        "order-select": {
            "required": ["selections", "draftOrders"],
            "properties": {"selections": {"type": "array", "items": {"type": "string"}}},
        },
        "order-sign": {"required": ["draftOrders"]},
    }
    context = needed.get(service["hook"], {})
    body = {
        "allOf": [
            {"$ref": _REFERENCE.format(name=REQUESTS[service["hook"]].__name__)},
            {"properties": {"hook": {"const": service["hook"]}, **({"context": context} if context else {})}},
        ]
    }
    operation = _operation(service["id"], service["title"], {"$ref": _REFERENCE.format(name="Response")})
    operation |= {"description": service["description"], "requestBody": _body(body)}
    operation["responses"] |= _errors(400, 412, 413, 415, 422)
    return operation


def _feedback(service: Mapping[str, Any]) -> dict[str, Any]:
    """The operation that takes feedback on the cards of one service."""
    entries = {"type": "array", "items": {"$ref": _REFERENCE.format(name="FeedbackEntry")}}
    body = {"type": "object", "properties": {"feedback": entries}, "required": ["feedback"]}
    return {
        "operationId": f"{service['id']}-feedback",
        "summary": f"What became of cards of {service['id']}",
        "requestBody": _body(body),
        "responses": {"200": {"description": "Stored."}} | _errors(400, 413, 415, 503),
    }


def _operation(identity: str, summary: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"operationId": identity, "summary": summary, "responses": {"200": _json("As asked", answer)}}


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": dict(schema)}}}


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": dict(schema)}}}


def _errors(*statuses: int) -> dict[str, Any]:
    outcome = {"$ref": _REFERENCE.format(name="OperationOutcome")}
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
    text = files("cds_service.protocol").joinpath("schemas", "response.json").read_text(encoding="utf-8")
    answer = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = answer.pop("$defs")
    for name in ("$schema", "$comment"):
        answer.pop(name, None)
    return {**decoded, **parts, "Response": answer, "OperationOutcome": _OPERATION_OUTCOME}


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
    "properties": {
        "services": {
            "type": "array",
            "items": {
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
            },
        }
    },
}
_OPERATION_OUTCOME = {
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code"],
                "properties": {
                    "severity": {"type": "string"},
                    "code": {"type": "string"},
                    "details": {"type": "object", "properties": {"text": {"type": "string"}}},
                    "diagnostics": {"type": "string"},
                    "expression": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
