"""How much of a long test is run: a part of its cases by default, every case before a release.

Some tests try one thing on every scenario, mutant or replacement, which takes minutes. ``make test`` takes the same
part of the cases each time, so that a failure does not come and go; with ``EVERY_CASE=1`` all are taken
(``make test-all``, ``make content-mutants``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

Case = TypeVar("Case")
EVERY_CASE = bool(os.environ.get("EVERY_CASE"))


def sampled(cases: Sequence[Case], one_in: int) -> Sequence[Case]:
    """Every ``one_in``-th of the cases, or all of them where every case is asked for."""
    return cases if EVERY_CASE else cases[::one_in]
