"""A real FHIR R4 server for tests that need one, started once for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.node_fhir_server import fhir_server
from tests.support.npm import UnavailableError


@pytest.fixture(scope="session")
def fhir_stores() -> Iterator[str]:
    """Where stores of the server are. Without Node.js the tests are skipped, but not where CI is set."""
    try:
        with fhir_server() as stores:
            yield stores
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"the FHIR server cannot be started: {error}")
        pytest.skip(f"needs a FHIR server: {error}")
