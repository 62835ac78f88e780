"""What every conformance test needs: a client, a request as a client would send it, and the shape of an error."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest

from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.packaged import packaged
from cds_service.replay.scenario import Scenario, moved, search
from cds_service.settings import Settings
from tests.http.conformance.claims import contradicted_here, pytest_runtest_logreport, pytest_sessionfinish
from tests.support import scenarios as read
from tests.support.keys import KEY
from tests.support.sample import EVERY_CASE, left_out
from tests.support.scenarios import Fired, fire_all
from tests.support.shipped import shipped_pack

__all__ = ["pytest_runtest_logreport", "pytest_sessionfinish"]  # of docs/conformance.md

if TYPE_CHECKING:
    import jsonschema
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

# A slow machine is no defect: no property has a time to keep.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In ``make test`` the cases of a test that has many are thinned; browser tests choose among their screens."""
    if EVERY_CASE or "PYTEST_XDIST_WORKER" not in os.environ:
        return
    dropped = left_out(item for item in items if "/browser/" not in item.nodeid)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in dropped])
    items[:] = [item for item in items if item.nodeid not in dropped]


FIXTURES = packaged("fixtures")
ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
# What requests carry and errors must never give back (ERR-04).
TOKEN = "token-that-must-not-be-repeated"  # noqa: S105
USER = "Practitioner/user-that-must-not-be-repeated"
PATIENTS = sorted(path.stem for path in (FIXTURES / "patients").glob("*.json"))
DRAFTS = sorted(path.stem for path in (FIXTURES / "drafts").glob("*.json"))
_WRITTEN = date(2026, 11, 23)  # the day that patients and drafts are written as of
# https://hl7.org/fhir/R4/valueset-issue-type.html
_ISSUE_TYPES = frozenset(
    [
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    ]
)


@cache
def response_schema() -> jsonschema.Draft202012Validator:
    """The validator of whole answers. Like the application, it is imported where a test needs it: most need neither."""
    import jsonschema

    text = (packaged("cards").parent / "cds_service/protocol/schemas/response.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever keeps its state where a user's is kept by default keeps it in a folder of this run."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def client() -> FlaskClient:
    from cds_service.service.app import create_app

    return create_app(Settings(loopback=True, key=KEY)).test_client()


@pytest.fixture(scope="session")
def pack() -> Pack:
    return shipped_pack()


@pytest.fixture(scope="session")
def templates_by_hook(client: FlaskClient) -> dict[str, dict[str, str]]:
    return {service["hook"]: service["prefetch"] for service in client.get("/cds-services").json["services"]}


@pytest.fixture(scope="session")
def templates(templates_by_hook: Mapping[str, dict[str, str]]) -> dict[str, str]:
    return templates_by_hook["order-select"]


RequestFor = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def request_for(templates_by_hook: Mapping[str, Mapping[str, str]]) -> RequestFor:
    """A valid call for a patient of the fixtures, moved to today; at order-select every draft is selected.

    A draft is the name of a fixture or a resource. ``without`` leaves prefetch keys out (``all``: every one),
    ``prefetch`` sets some.
    """
    days = (datetime.now(UTC).date() - _WRITTEN).days

    @cache
    def found(patient: str, hook: str) -> str:
        """What the patient's record answers to each prefetch template of a hook, as JSON."""
        bundle = json.loads((FIXTURES / "patients" / f"{patient}.json").read_text(encoding="utf-8"))
        resources = moved([entry["resource"] for entry in bundle["entry"]], days)
        return json.dumps({key: search(template, resources) for key, template in templates_by_hook[hook].items()})

    @cache
    def drafted(name: str) -> str:
        """A draft of the fixtures, as JSON."""
        return json.dumps(moved(json.loads((FIXTURES / "drafts" / f"{name}.json").read_text(encoding="utf-8")), days))

    def build(
        patient: str,
        *drafts: str | Mapping[str, Any],
        without: Iterable[str] = (),
        prefetch: Mapping[str, Any] | None = None,
        hook: str = "order-select",
    ) -> dict[str, Any]:
        orders = []
        for number, draft in enumerate(drafts, 1):
            if isinstance(draft, str):
                order = json.loads(drafted(draft))
                order |= {"id": f"draft-{number}", "subject": {"reference": f"Patient/{patient}"}}
            else:
                order = copy.deepcopy(dict(draft))
            orders.append(order)
        left_out = set(without)
        every = {} if "all" in left_out else json.loads(found(patient, hook))
        sent = {key: value for key, value in every.items() if key not in left_out}
        context: dict[str, Any] = {"userId": USER, "patientId": patient}
        if hook == "order-select":
            context["selections"] = [f"{order['resourceType']}/{order.get('id')}" for order in orders]
        if hook in ("order-select", "order-sign"):
            entries = [{"resource": order} for order in orders]
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return {
            "hook": hook,
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": context,
            "prefetch": sent | copy.deepcopy(dict(prefetch or {})),
        }

    return build


@pytest.fixture(scope="session")
def assert_outcome() -> Callable[..., dict[str, Any]]:
    """Checks that an answer is the error it should be: status, valid OperationOutcome, path, no patient data."""
    from fhir.resources.R4B.operationoutcome import OperationOutcome

    def check(response: TestResponse, status: int, path: str | None = None) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.mimetype in ("application/fhir+json", "application/json")
        body: dict[str, Any] = json.loads(response.data)
        assert body["resourceType"] == "OperationOutcome"
        OperationOutcome.model_validate(body)
        for issue in body["issue"]:
            assert issue["severity"] in ("fatal", "error")
            assert issue["code"] in _ISSUE_TYPES
            assert issue["details"]["text"]
        said = response.text.casefold()
        for marker in (TOKEN, USER, *PATIENTS, *(name.rpartition("-")[2] for name in PATIENTS), "traceback", 'file "'):
            assert marker.casefold() not in said
        if path is not None:
            places = [place for issue in body["issue"] for place in issue.get("expression", [])]
            assert any(place == path or place.startswith((f"{path}.", f"{path}[")) for place in places), places
            assert any(path in issue.get("diagnostics", "") for issue in body["issue"])
        return body

    return check


@pytest.fixture(scope="session")
def cards_of() -> Callable[[TestResponse], list[dict[str, Any]]]:
    """The cards of a 200 that keeps to the response schema and says nothing that strict JSON has no word for."""

    def check(response: TestResponse) -> list[dict[str, Any]]:
        assert response.status_code == 200, response.text
        assert response.mimetype == "application/json"
        assert not response.data.startswith(b"\xef\xbb\xbf")
        body = json.loads(response.data.decode("utf-8"), parse_constant=lambda name: pytest.fail(name))
        problems = [f"{error.json_path}: {error.message[:200]}" for error in response_schema().iter_errors(body)]
        assert not problems, problems
        cards: list[dict[str, Any]] = body["cards"]
        uuids = [c["uuid"] for c in cards] + [s["uuid"] for c in cards for s in c.get("suggestions", [])]
        assert len(uuids) == len(set(uuids)), "uuids repeat within one answer (RSP-10, RSP-31)"
        assert all(len(c["summary"].encode("utf-16-le")) // 2 < 140 for c in cards), "RSP-11"
        return cards

    return check


@pytest.fixture(scope="session")
def prepared(pack: Pack) -> Prepared:
    return Prepared.of(pack, zone=ZoneInfo("UTC"), key=b"a key for tests")


@pytest.fixture(scope="session")
def scenarios() -> tuple[Scenario, ...]:
    """Every scenario of the fixtures; shared, so no test may change one."""
    return read.scenarios()


@pytest.fixture(scope="session")
def answers(prepared: Prepared) -> dict[str, Fired]:
    """Every scenario fired once, as it is, by its name; shared, so no test may change one."""
    return fire_all(prepared)


@pytest.fixture(scope="session")
def post(client: FlaskClient) -> Callable[..., TestResponse]:
    """Sends a call to the order-select service; bytes go as they are."""

    def send(body: Any, content_type: str | None = "application/json", path: str = ORDER_SELECT, **more: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(path, data=data, content_type=content_type, **more)

    return send


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests recorded as their ``summary``: figures that whoever reads the run should see.

    Then where the run contradicts the page of conformance.
    """
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, line in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name == "summary":
                    terminalreporter.write_line(line)
    for line in contradicted_here():
        terminalreporter.write_line(line)
