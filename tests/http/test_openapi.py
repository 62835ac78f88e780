"""The OpenAPI document: valid, complete, and true of what is sent and answered."""

import json
import re

import jsonschema
import pytest
from click.testing import CliRunner
from openapi_spec_validator import validate

from cds_service.cli import main
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json


def schema(document, path, part):
    """The JSON Schema of a request (``None``) or of an answer by status, with its references within reach."""
    operation = document["paths"][path]["post"]
    place = operation["requestBody"] if part is None else operation["responses"][part]
    (media,) = place["content"].values()
    return jsonschema.Draft202012Validator({**media["schema"], "components": document["components"]})


def test_the_document_is_openapi(document):
    validate(document)


# What each hook's context holds besides what every hook's does, and what may be left out of it.
MEMBERS = {
    "OrderSelect": {"userId", "patientId", "encounterId", "draftOrders", "selections"},
    "OrderSign": {"userId", "patientId", "encounterId", "draftOrders"},
    "PatientView": {"userId", "patientId", "encounterId"},
}


@pytest.mark.parametrize("hook", MEMBERS)
def test_each_hook_has_a_request_of_its_own_with_every_member_in_one_place(document, hook):
    schemas = document["components"]["schemas"]
    request, context = schemas[f"{hook}Request"], schemas[f"{hook}Context"]
    members = {"hook", "hookInstance", "context", "fhirServer", "fhirAuthorization", "prefetch"}
    assert set(request["properties"]) == members
    assert set(request["required"]) == {"hook", "hookInstance", "context"}
    assert request["properties"]["context"] == {"$ref": f"#/components/schemas/{hook}Context"}
    assert set(context["properties"]) == MEMBERS[hook]
    assert set(context["required"]) == MEMBERS[hook] - {"encounterId"}


def test_each_service_takes_the_request_of_its_hook(document, pack):
    for service in pack.services.values():
        body = document["paths"][f"/cds-services/{service.id}"]["post"]["requestBody"]["content"]["application/json"]
        (hook,) = schema_at(document, body["schema"])["properties"]["hook"]["enum"]
        assert hook == service.hook


def schema_at(document, reference):
    return document["components"]["schemas"][reference["$ref"].removeprefix("#/components/schemas/")]


def test_no_schema_is_put_together_from_others(document):
    """Generators lose members, or the whole operation, where a schema is merged from several (openapi-python-client
    0.29). A choice between a named schema and null they all know.
    """

    def combined(part, path):
        if isinstance(part, list):
            for index, item in enumerate(part):
                yield from combined(item, f"{path}/{index}")
        elif isinstance(part, dict):
            if {"allOf", "oneOf"} & set(part):
                yield path
            if "anyOf" in part and (len(part["anyOf"]) != 2 or {"type": "null"} not in part["anyOf"]):
                yield path
            for name, item in part.items():
                yield from combined(item, f"{path}/{name}")

    assert list(combined(document, "")) == []


def test_every_path_of_the_application_is_described_and_no_other(document, pack):
    app = create_app(Settings(loopback=True, key=KEY, console="off"))
    rules = {re.sub(r"<[a-z_:]+>", "{}", rule.rule) for rule in app.url_map.iter_rules()}
    ids = "|".join(pack.services)
    assert {re.sub(ids, "{}", path) for path in document["paths"]} == rules


def test_requests_and_answers_are_as_described(document, client, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    schema(document, ORDER_SELECT, None).validate(body)
    schema(document, ORDER_SELECT, "200").validate(client.post(ORDER_SELECT, json=body).json)
    refused = client.post(ORDER_SELECT, json={})
    schema(document, ORDER_SELECT, str(refused.status_code)).validate(refused.json)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("hookInstance"),
        lambda body: body["context"].pop("draftOrders"),
        lambda body: body["context"].pop("selections"),
        lambda body: body["context"].update(selections=[7]),
        lambda body: body["context"].update(patientId=7),
        lambda body: body.update(hook="order-sign"),
    ],
)
def test_what_the_document_forbids_is_refused(document, client, request_for, spoil):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    spoil(body)
    assert not schema(document, ORDER_SELECT, None).is_valid(body)
    assert client.post(ORDER_SELECT, json=body).status_code == 400


def test_the_command_prints_the_same_document(document, tmp_path):
    printed = CliRunner().invoke(main, ["export", "openapi"])
    assert json.loads(printed.stdout) == document
    assert CliRunner().invoke(main, ["export", "openapi", "--out", str(tmp_path)]).exit_code == 0
    assert json.loads((tmp_path / "openapi.json").read_text()) == document
