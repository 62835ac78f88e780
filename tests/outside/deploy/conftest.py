"""What tests of a deployment need: the servers of the tests of the store, and a hook request that is right today."""

import json
from pathlib import Path

import pytest

from tests.support.npm import needed


@pytest.fixture(scope="session")
def hook_body(request_for):
    return json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()


@pytest.fixture(scope="session")
def node_modules():
    """``node_modules`` beside this file."""
    return needed(Path(__file__).parent)
