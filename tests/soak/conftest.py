"""The soak uses the servers of other rooms' tests."""

from __future__ import annotations

import sys
from pathlib import Path

for room in ("store", "fhir", "trust", "fuzz"):
    sys.path.append(str(Path(__file__).parents[1] / room))
