"""Digests of images, as a registry tells them: a server of the test that has its manifest endpoint and gives tokens."""

import contextlib
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.support.places import ROOT
from tests.support.ports import free_port

PROGRAM = ROOT / "deploy/pin_images.py"
_SPEC = importlib.util.spec_from_file_location("pin_images", PROGRAM)
pin_images = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(pin_images)

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


class Registry(http.server.ThreadingHTTPServer):
    """Knows images by name and tag; ``realm`` sends callers for a token first, as Docker Hub does."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.host = f"127.0.0.1:{self.server_port}"
        self.digests, self.asked, self.tokens = {}, [], True
        self.token_answer = (200, {"token": "for-anybody"})
        self.challenge = f'Bearer realm="http://{self.host}/token",service="registry.test",scope="repository:x:pull"'
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.server.asked.append((self.path, self.headers["Accept"], self.headers["Authorization"]))
        if self.server.tokens and self.headers["Authorization"] != "Bearer for-anybody":
            self.send_response(401)
            self.send_header("WWW-Authenticate", self.server.challenge)
        elif (digest := self.server.digests.get(self.path)) is None:
            self.send_response(404)
        else:
            self.send_response(digest if isinstance(digest, int) else 200)
            self.send_header("Docker-Content-Digest", str(digest))
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        assert query == {"service": ["registry.test"], "scope": ["repository:x:pull"]}
        status, body = self.server.token_answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    with contextlib.closing(Registry()) as running:
        running.close = running.server_close
        yield running
        running.shutdown()


@pytest.fixture
def files(registry, tmp_path):
    """Copies of the files of deploy/, whose images come from the registry of the test."""
    registry.digests = {
        "/v2/library/python/manifests/3.11-slim-bookworm": A,
        "/v2/library/postgres/manifests/17-bookworm": B,
        "/v2/library/node/manifests/22-bookworm-slim": A,
        "/v2/cds-service/manifests/0.1.0": B,
    }
    paths = []
    for name in ("Containerfile", "compose.yaml", "kubernetes/example/kustomization.yaml"):
        text = (ROOT / "deploy" / name).read_text()
        text = text.replace("docker.io/", f"{registry.host}/").replace(
            "registry.hospital.example/", f"{registry.host}/"
        )
        paths.append(tmp_path / name.rpartition("/")[2])
        paths[-1].write_text(text)
    return paths


def run(*paths):
    return subprocess.run([sys.executable, PROGRAM, *paths], capture_output=True, text=True, timeout=60)


def test_every_image_of_the_files_gets_its_digest_and_keeps_its_tag(registry, files):
    before = [path.read_text() for path in files]
    done = run(*files)
    assert done.returncode == 0, done.stderr
    container, compose, kustomization = (path.read_text() for path in files)
    host = registry.host
    assert f"ARG PYTHON={host}/library/python:3.11-slim-bookworm@{A}\n" in container
    services = yaml.safe_load(compose)["services"]
    assert services["postgresql"]["image"] == f"{host}/library/postgres:17-bookworm@{B}"
    assert services["fhir"]["image"] == f"{host}/library/node:22-bookworm-slim@{A}"
    assert yaml.safe_load(kustomization)["images"] == [
        {"name": "cds-service", "newName": f"{host}/cds-service", "newTag": "0.1.0", "digest": B}
    ]
    without = [re.sub(r"@sha256:\w+|\n +digest: .*", "", path.read_text()) for path in files]
    assert without == before


def test_what_every_machine_can_use_is_asked_for_first(registry, files):
    run(*files)
    _, accept, _ = registry.asked[0]
    assert accept.startswith("application/vnd.oci.image.index.v1+json")


def test_once_more_takes_up_what_was_published_since(registry, files):
    run(*files)
    once = [path.read_text() for path in files]
    registry.digests = dict.fromkeys(registry.digests, B)
    assert run(*files).returncode == 0
    assert [path.read_text() for path in files] == [text.replace(A, B) for text in once]


def test_a_registry_without_tokens_is_asked_as_well(registry, files):
    registry.tokens = False
    assert run(*files).returncode == 0 and {token for _, _, token in registry.asked} == {None}


@pytest.mark.parametrize("answer", [{"access_token": "for-anybody"}, {"token": "for-anybody", "expires_in": 300}])
def test_both_names_of_a_token_are_known(registry, files, answer):
    registry.token_answer = (200, answer)
    assert run(*files).returncode == 0


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        (None, "answers 404"),
        (500, "answers 500"),
        (307, "answers 307"),
        ("", "tells no digest"),
        ("sha256:abc", "tells no digest"),
        (f"sha256:{'A' * 64}", "tells no digest"),
        (f"md5:{'a' * 32}", "tells no digest"),
        (f"{A} evil", "tells no digest"),
    ],
)
def test_a_bad_answer_for_one_image_writes_nothing(registry, files, digest, said):
    before = [path.read_text() for path in files]
    registry.digests["/v2/library/node/manifests/22-bookworm-slim"] = digest
    done = run(*files)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Nothing is written. ") and "node:22-bookworm-slim" in done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert [path.read_text() for path in files] == before


@pytest.mark.parametrize(
    ("challenge", "answer"),
    [
        ("", (200, {})),
        ('Basic realm="registry"', (200, {})),
        ('Bearer service="nowhere"', (200, {})),
        ('Bearer realm="file:///etc/passwd"', (200, {})),
        (None, (403, {})),
        (None, (200, {})),
        (None, (200, {"token": 7})),
        (None, (200, [])),
        (None, (200, b"<html>")),
        (None, (200, {"token": "of-somebody-else"})),
    ],
)
def test_a_registry_that_gives_nobody_a_token_writes_nothing(registry, files, challenge, answer):
    before = [path.read_text() for path in files]
    registry.challenge = registry.challenge if challenge is None else challenge
    registry.token_answer = answer
    done = run(*files)
    assert done.returncode == 1 and done.stderr.startswith("Nothing is written. ") and "Traceback" not in done.stderr
    assert [path.read_text() for path in files] == before


def test_a_registry_that_is_not_there_writes_nothing(registry, files):
    text = files[0].read_text().replace(registry.host, f"127.0.0.1:{free_port()}")
    files[0].write_text(text)
    done = run(*files)
    assert done.returncode == 1 and "cannot be asked" in done.stderr and files[0].read_text() == text


def test_a_file_without_an_image_is_told(files, tmp_path):
    before = files[0].read_text()
    bare = tmp_path / "bare.yaml"
    bare.write_text("image: cds-service\n")
    done = run(files[0], bare)
    assert done.returncode == 1 and "bare.yaml: names no image" in done.stderr
    assert files[0].read_text() == before


def test_docker_hub_is_asked_where_it_answers(monkeypatch):
    """Its images of one word stand under library/."""
    asked = []
    monkeypatch.setattr(pin_images, "_head", lambda url, token="": asked.append(url) or Told())
    for image in ("docker.io/library/node:22", "docker.io/node:22", "registry.example:5000/a/b:1"):
        assert pin_images.ask(image) == A
    assert asked == [
        "https://registry-1.docker.io/v2/library/node/manifests/22",
        "https://registry-1.docker.io/v2/library/node/manifests/22",
        "https://registry.example:5000/v2/a/b/manifests/1",
    ]


class Told:
    status_code = 200
    headers = {"Docker-Content-Digest": A}  # noqa: RUF012


def test_all_images_of_the_shipped_files_are_found():
    """So that a new one cannot be missed: every line that names an image is one of them."""
    found = {
        name: pin_images.images((ROOT / "deploy" / name).read_text()) for name in ("Containerfile", "compose.yaml")
    }
    assert [image.rpartition("/")[2].partition(":")[0] for image in found["Containerfile"]] == ["python"]
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    named = [service["image"].partition("@")[0] for service in services.values() if "image" in service]
    assert found["compose.yaml"] == named


def test_a_pinned_kustomization_is_understood(files, tmp_path):
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    run(files[2])
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: cds-service}]}\n"
    )
    told = yaml.safe_load(files[2].read_text())
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["pod.yaml"], "images": told["images"]}))
    done = subprocess.run([program, "kustomize", tmp_path], capture_output=True, text=True, timeout=60)
    if done.returncode and "unknown command" in done.stderr:
        pytest.skip("kubectl is too old for kustomize")
    assert yaml.safe_load(done.stdout)["spec"]["containers"][0]["image"].endswith(f":0.1.0@{B}"), done.stderr
