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
