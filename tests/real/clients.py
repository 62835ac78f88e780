"""``/openapi.json`` as others use it: a linter reads it, and a client that is generated from it calls the three hooks.

``make clients``, or ``python -m tests.real.clients``. The generator is installed into ``build/``, in a version that is
pinned here, because nothing else needs it; the linter is a package of npm. Exits 1 if the document has an error, if the
generator leaves anything out, or if the generated client does not get the cards that a plain call gets.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cds_service import __version__
from cds_service.content.needs import templates_of
from cds_service.packaged import packaged
from cds_service.protocol.openapi import openapi
from cds_service.service.served import services_of
from cds_service.service.start import begin
from cds_service.settings import Settings
from tests.support.npm import UnavailableError, installed
from tests.support.scenarios import by_name
from tests.support.servers import Service, status_of

GENERATOR = "openapi-python-client==0.29.1"
# A scenario with cards for each hook.
SCENARIOS = {
    "order-select": "platelets-and-im/sample",
    "order-sign": "order-sign/twoOrders",
    "patient-view": "patient-view/overdueAndHomocysteine",
}
_ENVIRONMENT = packaged("cards").parent / "build" / "openapi-python-client"
_SECONDS = 600


def generator() -> Path:
    """The Python of an environment that has the generator.

    Raises:
        UnavailableError: it cannot be installed.
    """
    python = _ENVIRONMENT / "bin" / "python"
    mark = _ENVIRONMENT / GENERATOR
    if not mark.exists():
        venv.create(_ENVIRONMENT, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check", GENERATOR]
        done = subprocess.run(install, capture_output=True, text=True, timeout=_SECONDS)
        if done.returncode:
            raise UnavailableError(f"pip install {GENERATOR} failed: {done.stderr.strip()[-300:]}")
        mark.touch()
    return python


def requests() -> dict[str, dict[str, Any]]:
    """A request for each hook, right today."""
    pack = begin(Settings(loopback=True), b"\0" * 32).served.packs[0].pack
    services = {service.hook: service for service in pack.services.values()}
    return {
        hook: by_name(name).request(templates_of(pack, services[hook]), datetime.now(UTC))
        for hook, name in SCENARIOS.items()
    }


def linted() -> Iterator[str]:
    """What the linter finds wrong in the document of an open service, and in that of one with clients."""
    services = services_of(begin(Settings(loopback=True), b"\0" * 32).served.packs[0].pack)
    modules = installed(Path(__file__).parent / "redocly")
    with tempfile.TemporaryDirectory() as folder:
        for name, authenticated in (("open", False), ("with-clients", True)):
            file = Path(folder) / f"{name}.json"
            file.write_text(json.dumps(openapi(__version__, services, authenticated=authenticated)))
            command = [modules / ".bin" / "redocly", "lint", file, "--format", "json"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)
            report = json.loads(done.stdout)
            totals = report["totals"]
            print(f"redocly, the document {name}: {totals['errors']} errors, {totals['warnings']} warnings")
            for problem in report["problems"]:
                if problem["severity"] == "error":
                    yield f"redocly: {problem['ruleId']}: {problem['message']}"
            if done.returncode and not totals["errors"]:
                yield f"redocly: {done.stderr[-300:]}"


def called() -> Iterator[str]:
    """What is wrong with the generated client: warnings of the generator, or other cards than a plain call has."""
    python = generator()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with Service(f"sqlite:///{folder}/store.sqlite3", log, CDS_SERVICE_CONSOLE="off") as service:
            document, client = Path(folder) / "openapi.json", Path(folder) / "client"
            document.write_bytes(status_of(f"{service.base}/openapi.json")[1])
            (Path(folder) / "config.yaml").write_text("post_hooks: []\n")
            generate = [python.with_name("openapi-python-client"), "generate", "--path", document]
            generate += ["--config", Path(folder) / "config.yaml", "--output-path", client]
            done = subprocess.run(generate, capture_output=True, text=True, timeout=_SECONDS)
            told = done.stdout + done.stderr
            yield from (f"generator: {line}" for line in re.findall(r"^(?:WARNING|ERROR).*$", told, re.MULTILINE))
            if done.returncode or not client.exists():
                yield f"generator: {told[-500:]}"
                return
            yield from _compared(python, client, service.base)


def _compared(python: Path, client: Path, base: str) -> Iterator[str]:
    sent = requests()
    script = Path(__file__).with_name("generated_calls.py")
    done = subprocess.run(
        [python, script],
        input=json.dumps({"base": base, "requests": sent}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env={"PYTHONPATH": str(client)},
    )
    if done.returncode:
        yield f"generated client: {done.stderr[-500:]}"
        return
    answer: Mapping[str, Any] = json.loads(done.stdout)
    for hook, request in sent.items():
        plain = json.loads(status_of(f"{base}/cds-services/vitamin-b12-{hook}", json.dumps(request).encode())[1])
        cards = answer["cards"][hook]
        print(f"generated client, {hook}: {len(cards)} cards")
        if not cards or cards != plain["cards"]:
            yield f"generated client: {hook} has {len(cards)} cards, a plain call {len(plain['cards'])}"
    print(f"generated client, feedback: status {answer['feedback']}")
    if answer["feedback"] != 200:
        yield f"generated client: feedback was answered {answer['feedback']}"


def main() -> int:
    """Lints and calls; 1 if anything is wrong or a tool cannot be had."""
    try:
        faults = [*linted(), *called()]
    except UnavailableError as error:
        faults = [f"not tried: {error}"]
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
