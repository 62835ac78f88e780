"""What tests of a deployment need: the servers of the tests of the store, and a hook request that is right today."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "store"))


@pytest.fixture(scope="session")
def hook_body(request_for):
    return json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()
