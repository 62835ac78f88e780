"""The tests of privacy use the real servers of other rooms' tests."""

from __future__ import annotations

import sys
from pathlib import Path

for room in ("store", "fhir", "trust", "traces"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
