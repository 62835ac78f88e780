"""Starts the real FHIR server of ``fhir_server`` (Node.js), for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from tests.support.npm import installed
from tests.support.places import FHIR_SERVER


@contextlib.contextmanager
def fhir_server() -> Iterator[str]:
    """Where stores of the server are: ``<this>/NAME/fhir`` is an empty FHIR server of its own (see server.mjs).

    Its packages are installed from their lock file if they are not.

    Raises:
        UnavailableError: there is no Node.js, or its packages cannot be had.
    """
    installed(FHIR_SERVER)
    with subprocess.Popen(["node", "server.mjs"], cwd=FHIR_SERVER, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}/stores"
        finally:
            server.terminate()
