"""Hostile calls use the tokens of the tests of trust."""

from __future__ import annotations

import sys
from pathlib import Path

for room in ("trust", "fuzz"):
    sys.path.append(str(Path(__file__).parents[1] / room))
