"""The fuzzers use the tokens and servers of other rooms' tests."""

from __future__ import annotations

import sys
from pathlib import Path

for room in ("trust", "fhir", "store"):
    sys.path.append(str(Path(__file__).parents[1] / room))
