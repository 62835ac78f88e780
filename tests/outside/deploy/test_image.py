"""What the Containerfile does, done without a container: its commands, its start, by a user who owns nothing."""

import io
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from cds_service import __version__
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.servers import end_with, status_of

PROGRAMS = "/opt/"
INSTALLED = "/opt/cds-service"
STATE = "/var/lib/cds-service"
INSTALL_SECONDS = 300
START_SECONDS = 20


@pytest.fixture(scope="module")
def steps():
    text = (ROOT / "deploy/Containerfile").read_bytes()
    return [(step["instruction"], step["value"]) for step in DockerfileParser(fileobj=io.BytesIO(text)).structure]


@pytest.fixture(scope="module")
def image(steps):
    """A folder that stands for the file system of the image; built by the RUN lines of its first stage."""
    root = Path(tempfile.mkdtemp(prefix="cds-service-image-"))
    root.chmod(0o755)
    source = root / "src"
    first = steps[: [number for number, (name, _) in enumerate(steps) if name == "FROM"][1]]
    for instruction, value in first:
        if instruction == "COPY":
            copy_context(source)
        if instruction == "RUN":
            command = placed(root, value).replace("python -m venv", f"{sys.executable} -m venv", 1)
            done = subprocess.run(
                shlex.split(command), cwd=root_of(source), capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
            if done.returncode and "pip install" in value and "connection" in done.stderr.casefold():
                pytest.skip(f"no package registry: {done.stderr[-200:]}")
            assert done.returncode == 0, done.stderr[-1000:]
    yield root
    subprocess.run(["chmod", "-R", "u+w", root], check=True)
    shutil.rmtree(root)


def root_of(source):
    source.mkdir(exist_ok=True)
    return source


def copy_context(target):
    """What .dockerignore lets through; podman reads it too."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (line[1:] for line in lines if line.startswith("!")):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target / name, ignore=ignore, dirs_exist_ok=True)
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def placed(root, text):
    return text.replace(PROGRAMS, f"{root}{PROGRAMS}").replace(STATE, f"{root}{STATE}")


@pytest.fixture(scope="module")
def served(image, steps):
    """The process of ENTRYPOINT and CMD; only the port is another, and the host, as there are no clients."""
    said = dict(steps)
    state = Path(placed(image, STATE))
    state.mkdir(parents=True, mode=0o700)
    subprocess.run(["chmod", "-R", "a-w", Path(placed(image, INSTALLED))], check=True)
    port = free_port()
    command = [placed(image, word) for word in json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])]
    command[command.index("8080")] = str(port)
    command[command.index("0.0.0.0")] = "127.0.0.1"  # noqa: S104
    environment = dict(word.split("=", 1) for word in shlex.split(placed(image, said["ENV"])))
    process = subprocess.Popen(
        [*without_privileges(state), *command],
        cwd=state,
        env=environment | {"PATH": os.environ["PATH"]},
        preexec_fn=end_with(os.getpid(), signal.SIGTERM),
    )
    for _ in range(START_SECONDS * 10):
        try:
            if status_of(f"http://127.0.0.1:{port}/healthz")[0] == 200:
                break
        except OSError:
            time.sleep(0.1)
    yield process, port, state
    if process.poll() is None:
        process.terminate()
        process.wait(20)


def without_privileges(state):
    """How root runs a command as somebody else; as root without any capability if its Python is closed to others."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    nobody = pwd.getpwnam("nobody")
    whose = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    # By way of a shell: what setpriv itself starts is still opened with the rights of root.
    tried = [*whose, "/bin/sh", "-c", 'exec "$0" -c ""', Path(sys.executable).resolve()]
    if subprocess.run(tried, capture_output=True, cwd="/").returncode:
        return bare
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    return [*whose, *bare[1:]]


def test_it_answers_hooks_and_keeps_feedback_as_a_user_who_can_write_nowhere_else(served, image, hook_body):
    _, port, state = served
    before = listed(Path(placed(image, INSTALLED)))
    hook = f"http://127.0.0.1:{port}/cds-services/vitamin-b12-order-select"
    status, answer = status_of(hook, hook_body)
    cards = json.loads(answer)["cards"]
    assert status == 200 and cards
    entry = {"card": cards[0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    assert status_of(f"{hook}/feedback", json.dumps({"feedback": [entry]}).encode())[0] == 200
    ready = json.loads(status_of(f"http://127.0.0.1:{port}/readyz")[1])
    assert ready["status"] == "ready"
    assert {path.name.partition("-")[0] for path in state.iterdir()} == {"store.sqlite3", "state"}
    assert listed(Path(placed(image, INSTALLED))) == before


def listed(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_it_leaves_no_core_dump(served):
    """It would hold charts."""
    limits = Path(f"/proc/{served[0].pid}/limits").read_text().splitlines()
    assert next(line for line in limits if "core file" in line).split()[4:6] == ["0", "0"]


def test_its_health_check_tells_well_from_ill(served, image, steps):
    """Last: it is stopped."""
    process, port, _ = served
    check = dict(steps)["HEALTHCHECK"].partition("CMD ")[2]
    command = [placed(image, word).replace("8080", str(port)) for word in json.loads(check)]
    assert subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    process.terminate()
    assert process.wait(20) == 0
    assert subprocess.run(command, capture_output=True, timeout=20).returncode != 0


def test_nothing_of_the_tools_of_development_is_installed(image):
    packages = next((Path(placed(image, INSTALLED)) / "lib").glob("python*/site-packages"))
    names = {path.name.partition("-")[0].casefold() for path in packages.glob("*.dist-info")}
    assert {"cds_service", "granian", "psycopg"} <= names
    assert not names & {"pip", "setuptools", "hatchling", "pytest", "mypy", "hypothesis", "playwright"}


def test_the_bill_of_materials_names_all_of_it_with_versions(image, tmp_path):
    """What ``make sbom`` writes, of this installation."""
    command = ["environment", "--output-reproducible", "--pyproject", ROOT / "pyproject.toml", "-o", tmp_path / "bom"]
    program = Path(sys.executable).parent / "cyclonedx-py"
    done = subprocess.run([program, *command, placed(image, INSTALLED)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "bom").read_text())
    listed = {one["name"].casefold().replace("_", "-").replace(".", "-"): one["version"] for one in told["components"]}
    lock = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "deploy/requirements.lock").read_text(), re.M))
    assert listed.pop("cds-service", None) in (None, __version__)
    assert told["metadata"]["component"]["name"] == "cds-service"
    assert len(listed) > 30 and listed.items() <= lock.items()
