"""What the environment says wrongly stops the start with one sentence that names the variable (Z83)."""

import os
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.service.app import wsgi
from cds_service.settings import Settings, SettingsError, kubernetes_names, read_settings
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.servers import Service, wait_until_answers

# What kubelet makes of Services (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables):
# of one named like ours with a named port, of one for its database, and of one called cds.
OF_SERVICES = {
    "CDS_SERVICE_SERVICE_HOST": "10.0.0.11",
    "CDS_SERVICE_SERVICE_PORT": "8080",
    "CDS_SERVICE_SERVICE_PORT_HTTP": "8080",
    "CDS_SERVICE_PORT": "tcp://10.0.0.11:8080",
    "CDS_SERVICE_PORT_8080_TCP": "tcp://10.0.0.11:8080",
    "CDS_SERVICE_PORT_8080_TCP_PROTO": "tcp",
    "CDS_SERVICE_PORT_8080_TCP_PORT": "8080",
    "CDS_SERVICE_PORT_8080_TCP_ADDR": "10.0.0.11",
    "CDS_SERVICE_DB_SERVICE_HOST": "fd00::12",
    "CDS_SERVICE_DB_SERVICE_PORT": "5432",
    "CDS_SERVICE_DB_PORT": "tcp://[fd00::12]:5432",
    "CDS_SERVICE_DB_PORT_5432_TCP_ADDR": "fd00::12",
}
OF_A_SERVICE_CALLED_CDS = {
    "CDS_SERVICE_HOST": "10.0.0.13",
    "CDS_SERVICE_PORT": "8080",
    "CDS_SERVICE_PORT_HTTP": "8080",
    "CDS_PORT": "tcp://10.0.0.13:8080",
}
# One thing that each variable may not be, and the commands that make settings.
BAD = [
    ("CDS_SERVICE_TIME_ZONE", "Mars/Base"),
    ("CDS_SERVICE_TIME_ZONE", "../../etc/passwd"),
    ("CDS_SERVICE_TIME_ZONE", "Europe"),
    ("CDS_SERVICE_TIME_ZONE", ""),
    ("CDS_SERVICE_FHIR_BUDGET_MS", "soon"),
    ("CDS_SERVICE_MAX_BODY_BYTES", "0"),
    ("CDS_SERVICE_INSECURE", "perhaps"),
    ("CDS_SERVICE_DEFAULT_PROFILE", "4.0"),
    ("CDS_SERVICE_FHIR_SERVERS", '["https://a.example/fhir"'),
    ("CDS_SERVICE_FHIR_SERVERS", "[1]"),
]
# It may not be served at: a fault of ours ends this command too, instead of leaving a server behind.
SERVE = ["serve", "--host", "192.0.2.1"]
COMMANDS = [
    SERVE,
    ["report"],
    ["sample"],
    ["check"],
    ["export", "openapi"],
    ["explain", "pyproject.toml"],
    ["fire"],
    ["token"],
    ["coverage", "fixtures"],
]


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unknown_setting_stops_every_command_and_the_nearest_is_named(monkeypatch, command):
    """A misspelt CDS_SERVICE_CLIENTS would otherwise leave the service open."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CDS_SERVICE_CLIENT", "/etc/cds-service/clients.toml")
    done = run(*command)
    assert done.exit_code == 2, done.output
    assert "CDS_SERVICE_CLIENT is no setting; the nearest is CDS_SERVICE_CLIENTS" in done.stderr
    assert not done.stdout


def test_every_unknown_setting_is_named_at_once_whatever_its_case(monkeypatch):
    monkeypatch.setenv("CDS_SERVICE_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("cds_service_stores", "sqlite:///x")
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert "CDS_SERVICE_TIMEZONE is no setting; the nearest is CDS_SERVICE_TIME_ZONE" in str(error.value)
    assert "cds_service_stores is no setting; the nearest is CDS_SERVICE_STORE" in str(error.value)


def test_every_setting_is_known(monkeypatch):
    monkeypatch.setenv("cds_service_time_zone", "Europe/Berlin")
    assert read_settings().time_zone == "Europe/Berlin"
    assert kubernetes_names({f"CDS_SERVICE_{name.upper()}": "x" for name in Settings.model_fields}) == []


@pytest.mark.parametrize("made", [OF_SERVICES, OF_A_SERVICE_CALLED_CDS], ids=["cds-service", "cds"])
def test_what_kubernetes_makes_of_services_is_no_setting_and_no_fault(monkeypatch, made):
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    assert read_settings().time_zone
    assert kubernetes_names(made) == sorted(name for name in made if name.startswith("CDS_SERVICE_"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDS_SERVICE_PORT", "9000"),
        ("CDS_SERVICE_HOST", "0.0.0.0"),  # noqa: S104
        ("CDS_SERVICE_HOST", "10.0.0.13"),
        ("CDS_SERVICE_CLIENTS_PORT", "x"),
        ("CDS_SERVICE_CLIENTS_SERVICE_HOST", "/etc/cds-service/clients.toml"),
        ("CDS_SERVICE_CLIENTS_SERVICE_PORT", "/etc/cds-service/clients.toml"),
    ],
)
def test_what_a_person_writes_is_not_taken_for_the_work_of_kubernetes(monkeypatch, name, value):
    """Who sets a port by hand means to set a port."""
    monkeypatch.setenv("CDS_SERVICE_SERVICE_HOST", "10.0.0.11")  # beside a Service like ours
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} is no setting"):
        read_settings()


def test_it_serves_among_services_and_names_their_variables_in_one_line(tmp_path):
    log = tmp_path / "log"
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", log, **OF_SERVICES):
        pass
    lines = [line for line in log.read_text().splitlines() if "CDS_SERVICE_DB_PORT_5432_TCP_ADDR" in line]
    assert len(lines) == 1
    assert all(name in lines[0] for name in OF_SERVICES)


def test_the_base_asks_for_no_variables_of_services():
    deployment = yaml.safe_load((ROOT / "deploy/kubernetes/base/deployment.yaml").read_text())
    assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_one_sentence_that_names_its_variable(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    for command in (["report"], SERVE):
        done = run(*command)
        assert done.exit_code == 2, done.output
        said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(said) == 1 and name in said[0]
        assert "Traceback" not in done.stderr and "validation error" not in done.stderr


@pytest.mark.parametrize("key", ["", "abcdef", "k" * 31, "ü" * 15])
def test_a_key_of_less_than_32_bytes_is_refused_and_the_message_says_how_to_make_one(monkeypatch, key):
    """One that is a word is found from the uuid of a single card."""
    monkeypatch.setenv("CDS_SERVICE_KEY", key)
    for command in (["report"], SERVE):
        done = run(*command)
        assert done.exit_code == 2
        assert "CDS_SERVICE_KEY cannot be used: it has less than 32 bytes" in done.stderr
        assert "openssl rand -hex 32" in done.stderr
        assert not key or key not in done.output


@pytest.mark.parametrize("key", ["k" * 32, "ü" * 16, "0123456789abcdef" * 4])
def test_a_key_of_32_bytes_is_used(monkeypatch, key):
    monkeypatch.setenv("CDS_SERVICE_KEY", key)
    assert len(read_settings().uuid_key() or b"") == 32


def test_a_secret_is_not_repeated(monkeypatch):
    monkeypatch.setenv("CDS_SERVICE_FHIR_MAX_PAGES", "hunter2-hunter2")
    done = run("report")
    assert "CDS_SERVICE_FHIR_MAX_PAGES" in done.stderr and "hunter2" not in done.output


@pytest.mark.parametrize(("name", "value"), [BAD[0], BAD[4], ("CDS_SERVICE_CLIENT", "clients.toml")])
def test_the_wsgi_factory_says_it_in_one_sentence_and_ends(monkeypatch, capfd, name, value):
    monkeypatch.setenv("CDS_SERVICE_LOOPBACK", "1")
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        wsgi()
    assert end.value.code not in (0, None)
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1 and name in said[0]


def test_gunicorn_ends_with_that_sentence_instead_of_starting_workers_for_ever():
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{free_port()}", "cds_service.service.app:wsgi()"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "CDS_SERVICE_LOOPBACK": "1", "CDS_SERVICE_TIME_ZONE": "Mars/Base"},
    )
    assert done.returncode != 0
    assert done.stderr.count("CDS_SERVICE_TIME_ZONE") == 1 and "Traceback" not in done.stderr


def test_gunicorn_starts_among_services():
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "cds_service.service.app:wsgi()"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "CDS_SERVICE_LOOPBACK": "1", **OF_SERVICES},
    )
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
    finally:
        process.terminate()
        process.wait(10)
