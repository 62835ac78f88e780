"""``token`` and ``fire``: from nothing to a call that a service with clients answers, as a newcomer does it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet

from cds_service.cli import main
from cds_service.protocol.headers import REPLAY
from cds_service.trust.client_keys import entry_of
from cds_service.trust.clients import read_clients
from tests.support.ports import free_port
from tests.support.servers import Service
from tests.support.trust_parts import KeyServer

COMMAND = "python -m cds_service"  # as it is told where it was called so
SERVE = ("-m", "cds_service", "serve", "--port", "{port}")
ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


def run(*arguments, stdin="", **environment):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin, env=environment)


def claims_of(token, folder, name="test-client"):
    """What the token says, its signature verified with the public keys that lie beside the private one."""
    keys = KeySet.import_key_set(json.loads((folder / f"{name}.jwks.json").read_text()))
    return jwt.decode(token.strip(), keys, algorithms=["ES384"])


def typed(*arguments, stdin="", **environment):
    command = [sys.executable, "-m", "cds_service", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_from_nothing_to_an_answered_call_with_a_signed_token(tmp_path):
    """A token, the lines that it says to paste, a service with these clients, and curl with the next token: 200."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    clients = tmp_path / "clients.toml"
    first = typed("token", "--url", base, CDS_SERVICE_CLIENTS=str(clients))
    assert first.returncode == 0 and len(first.stdout.split()) == 1
    assert "clients.toml is not there yet. Put these lines into it, and start the service again:" in first.stderr
    clients.write_text(first.stderr[first.stderr.index("[clients.test-client]") :])
    service = Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", SERVE, CDS_SERVICE_CLIENTS=str(clients))
    service.port, service.base = port, base
    with service:
        second = typed("token", CDS_SERVICE_CLIENTS=str(clients))
        assert second.stderr == ""
        sample = run("sample").stdout
        call = ["curl", "-s", "-w", "\n%{http_code}", "-H", "Content-Type: application/json", "-d", "@-"]
        for token, status in ((second.stdout.strip(), "200"), ("", "401")):
            header = ["-H", f"Authorization: Bearer {token}"] if token else []
            asked = subprocess.run(
                [*call, *header, f"{base}{ORDER_SELECT}"], input=sample, capture_output=True, text=True, timeout=30
            )
            body, _, said = asked.stdout.rpartition("\n")
            assert said == status, (body, (tmp_path / "log").read_text())
        third = typed("token", CDS_SERVICE_CLIENTS=str(clients))
        fired = typed("fire", "--url", base, "--token-from", "-", stdin=third.stdout)
        assert (fired.returncode, fired.stderr) == (0, "")
        lines = fired.stdout.splitlines()
        assert lines[0] == f"platelets-and-im/sample at {base}: 1 card"
        assert lines[2].startswith("CRITICAL: Platelets 22 ")
        refused = typed("fire", "--url", base)
        assert refused.returncode == 1
        assert "was answered with 401 and no cards" in refused.stderr
        assert f"Send a token: {COMMAND} token | {COMMAND} fire --url {base} --token-from -" in refused.stderr
        again = typed("fire", "nasal/oneSpray", "--url", base, "--format", "json", CDS_SERVICE_CLIENTS=str(clients))
        hint = again.stderr.partition("Send a token: ")[2]
        copied = subprocess.run(
            ["bash", "-c", hint.replace(COMMAND, f"{sys.executable} -m cds_service")],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"CDS_SERVICE_CLIENTS": str(clients)},
        )
        assert copied.returncode == 0 and json.loads(copied.stdout), copied.stderr
        other = typed("token", "--folder", tmp_path / "other", "--url", base)
        refused = typed("fire", "--url", base, "--token-from", "-", stdin=other.stdout)
        assert "The token was refused; the log of the service says why" in refused.stderr


@pytest.mark.parametrize(("path", "told"), [("", "{script}"), ("{folder}", "cds-service")])
def test_a_command_to_copy_names_the_program_as_it_was_called(path, told):
    """By its path, unless the shell finds it without."""
    script = Path(sys.executable).parent / "cds-service"
    places = {"script": script, "folder": script.parent}
    env = os.environ | {"PATH": path.format(**places) or "/nowhere"}
    command = [script, "fire", "--url", f"http://127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert f"Start it there with: {told.format(**places)} serve --port " in done.stderr


def test_what_fire_sends_is_test_traffic(tmp_path):
    """It is in no count of cards shown (Z85)."""
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", SERVE) as service:
        done = run("fire", "nasal/oneSpray", "--url", service.base)
        assert done.exit_code == 0, done.output
        with urllib.request.urlopen(f"{service.base}/metrics", timeout=10) as answer:  # noqa: S310
            metrics = answer.read().decode()
    assert [line for line in metrics.splitlines() if line.startswith("cds_service_replays_total{")]
    assert not [line for line in metrics.splitlines() if line.startswith("cds_service_findings_total{")]
    assert REPLAY == "CDS-Service-Replay"


def test_fire_gives_the_cards_as_data_too(tmp_path):
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log", SERVE) as service:
        cards = json.loads(run("fire", "--url", f"{service.base}/cds-services", "--format", "json").stdout)
    assert [card["indicator"] for card in cards] == ["critical"]


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        ({"services": 3}, "good", "does not answer as discovery of a CDS service does"),
        ([], "good", "does not answer as discovery of a CDS service does"),
        ({}, "html", "does not answer as discovery of a CDS service does"),
        ({}, "error", "answers with status 503"),
    ],
)
def test_a_server_that_is_no_cds_service_is_told_in_one_sentence(document, status, words):
    server = KeyServer()
    server.document, server.mode = document, status
    try:
        for command in (["fire", "--url", server.url], ["replay", "--against", server.url]):
            done = run(*command)
            assert done.exit_code == 1 and done.stdout == ""
            assert done.stderr.count("\n") == 1 and words in done.stderr and f"{server.url}/cds-services" in done.stderr
    finally:
        server.close()


# --- the key and the token -----------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_its_owner_alone_can_read_it(tmp_path):
    folder = tmp_path / "keys"
    first, second = (run("token", "--folder", folder) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    key = folder / "test-client.private.jwk.json"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert f"A private key was made, for tests only: {key}" in first.stderr
    assert "A private key was made" not in second.stderr
    assert "d" not in json.loads((folder / "test-client.jwks.json").read_text())["keys"][0]
    one, other = (claims_of(done.stdout, folder) for done in (first, second))
    assert one.header == other.header and one.header["typ"] == "JWT" and one.header["kid"]
    assert one.claims["jti"] != other.claims["jti"]


def test_a_key_that_was_deleted_is_made_anew_with_its_public_half(tmp_path):
    run("token", "--folder", tmp_path)
    (tmp_path / "test-client.private.jwk.json").unlink()
    claims_of(run("token", "--folder", tmp_path).stdout, tmp_path)


def test_a_token_is_for_every_service_of_the_content_and_for_discovery(tmp_path):
    done = run("token", "--folder", tmp_path, "--url", "https://cds.example/b12/", "--seconds", 60)
    claims = claims_of(done.stdout, tmp_path).claims
    services = "https://cds.example/b12/cds-services"
    assert claims["aud"] == [
        services,
        *(f"{services}/vitamin-b12-{h}" for h in ("order-select", "order-sign", "patient-view")),
    ]
    assert claims["exp"] - claims["iat"] == 60 and abs(claims["iat"] - time.time()) < 3600


def test_audience_issuer_and_client_can_be_said(tmp_path):
    asked = ["--audience", "https://a.example/x", "--audience", "urn:b", "--issuer", "https://me.example"]
    done = run("token", "--folder", tmp_path, "--client", "ward-7", *asked)
    claims = claims_of(done.stdout, tmp_path, "ward-7").claims
    assert (claims["aud"], claims["iss"]) == (["https://a.example/x", "urn:b"], "https://me.example")
    assert "[clients.ward-7]" in done.stderr


def test_a_client_of_the_file_is_taken_as_it_is_written_there(tmp_path):
    """Its issuer, base, subject and tenant; and nothing is to be pasted any more."""
    run("token", "--folder", tmp_path, "--client", "ehr")
    clients = tmp_path / "clients.toml"
    clients.write_text(
        '[clients.ehr]\nissuer = "urn:ehr"\nbase-urls = ["https://one.example"]\njwks-file = "ehr.jwks.json"\n'
        'subject = "us"\ntenants = ["b", "a"]\n'
    )
    done = run("token", "--client", "ehr", CDS_SERVICE_CLIENTS=str(clients))
    assert (done.exit_code, done.stderr) == (0, "")
    claims = claims_of(done.stdout, tmp_path, "ehr").claims
    assert (claims["iss"], claims["sub"], claims["tenant"]) == ("urn:ehr", "us", "a")
    assert claims["aud"][0] == "https://one.example/cds-services"


def test_what_would_make_the_token_useless_is_said(tmp_path):
    clients = tmp_path / "clients.toml"
    entry = '[clients.test-client]\nissuer = "urn:x"\nbase-urls = ["https://one.example"]\n'
    clients.write_text(entry + 'jwks-url = "https://keys.example/jwks"\n')
    done = run("token", CDS_SERVICE_CLIENTS=str(clients))
    assert done.exit_code == 0 and len(done.stdout.split()) == 1
    assert "has the keys of test-client in https://keys.example/jwks, and not in " in done.stderr
    clients.write_text(entry + 'jwks-url = "https://keys.example/jwks"\nalgorithms = ["RS384"]\n')
    done = run("token", CDS_SERVICE_CLIENTS=str(clients))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "may not sign with ES384" in done.stderr


def test_the_lines_for_the_file_can_be_had_alone_and_appended_to_it(tmp_path):
    """``>>`` makes the file before the command is run, so one that is empty is one that is not there yet."""
    clients = tmp_path / "clients.toml"
    clients.write_text("")
    done = run("token", "--url", "http://127.0.0.1:8093", "--entry", CDS_SERVICE_CLIENTS=str(clients))
    assert done.exit_code == 0 and "Put these lines" not in done.stderr
    clients.write_text(done.stdout)
    (client,) = read_clients(clients).clients
    assert (client.name, client.base_urls) == ("test-client", ("http://127.0.0.1:8093",))
    again = run("token", "--entry", CDS_SERVICE_CLIENTS=str(clients))
    assert (again.exit_code, again.stdout) == (2, "")
    assert f"{clients} has the client test-client already" in again.stderr
    other = run("token", "--client", "second", "--entry", CDS_SERVICE_CLIENTS=str(clients))
    clients.write_text(clients.read_text() + other.stdout)
    assert [client.name for client in read_clients(clients).clients] == ["test-client", "second"]


def test_a_url_that_the_file_does_not_have_is_said_to_be_refused(tmp_path):
    """The service compares ``aud`` with ``base-urls``, and never with where it was called."""
    clients = tmp_path / "clients.toml"
    clients.write_text(run("token", "--entry", CDS_SERVICE_CLIENTS=str(clients)).stdout)
    done = run("token", "--url", "http://127.0.0.1:8093", CDS_SERVICE_CLIENTS=str(clients))
    assert done.exit_code == 0 and len(done.stdout.split()) == 1
    assert "does not have http://127.0.0.1:8093 in base-urls of test-client, so the service refuses" in done.stderr
    said = run("token", "--url", "http://127.0.0.1:8080/", CDS_SERVICE_CLIENTS=str(clients))
    assert said.stderr == ""


def test_another_client_in_the_file_stays_beside_the_new_one(tmp_path):
    """What is shown can be put at the end of a file that has clients."""
    clients = tmp_path / "clients.toml"
    clients.write_text(
        'base-urls = ["https://one.example"]\n[clients.a]\nissuer = "urn:a"\njwks-url = "https://keys.example/jwks"\n'
    )
    done = run("token", CDS_SERVICE_CLIENTS=str(clients))
    assert "clients.toml has no client test-client. Put these lines into it" in done.stderr
    clients.write_text(clients.read_text() + done.stderr[done.stderr.index("[clients.") :])
    assert [client.name for client in read_clients(clients).clients] == ["a", "test-client"]
    again = run("token", CDS_SERVICE_CLIENTS=str(clients))
    assert again.stderr == ""


@pytest.mark.parametrize("word", ['a "b" \\ c', "ü/é", "plain", "tab\tand\nline"])
def test_an_entry_is_toml_whatever_the_names_are(word):
    told = tomllib.loads(entry_of("x-1", word, f"https://{word}", word))["clients"]["x-1"]
    assert told == {"issuer": word, "base-urls": [f"https://{word}"], "jwks-file": word}


def test_without_clients_the_key_is_in_the_folder_for_state(tmp_path):
    done = run("token", CDS_SERVICE_STATE=str(tmp_path / "state"))
    assert done.exit_code == 0
    assert "CDS_SERVICE_CLIENTS is not set here" in done.stderr
    assert "a service that knows other keys refuses this token" in done.stderr
    entry = tomllib.loads(done.stderr[done.stderr.index("[clients.") :])["clients"]["test-client"]
    assert Path(entry["jwks-file"]) == tmp_path / "state/clients/test-client.jwks.json"
    claims_of(done.stdout, tmp_path / "state/clients")
