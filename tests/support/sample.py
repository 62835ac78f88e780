"""How much of a long test is run: a part of its cases by default, every case before a release.

Some tests try one thing on every scenario, mutant or replacement, which takes minutes. ``make test`` takes the same
part of the cases each time, so that a failure does not come and go; with ``EVERY_CASE=1`` all are taken
(``make test-all``, ``make content-mutants``). Of a test with over three cases of its own it takes every fourth, and of
one with over eight every eighth; who runs a file by hand, without ``--numprocesses``, has them all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeVar

import pytest

Case = TypeVar("Case")
EVERY_CASE = bool(os.environ.get("EVERY_CASE"))
_SOME, _MANY = 3, 8  # cases of one test


def sampled(cases: Sequence[Case], one_in: int) -> Sequence[Case]:
    """Every ``one_in``-th of the cases, or all of them where every case is asked for."""
    return cases if EVERY_CASE else cases[::one_in]


def left_out(items: Iterable[pytest.Item]) -> set[str]:
    """The node ids of the cases that ``make test`` does not run: three in four of a test with over three, and seven in
    eight of one with over eight.
    """
    by_test = [list(cases) for _, cases in groupby(items, lambda item: item.nodeid.partition("[")[0])]
    some = [(cases, 8 if len(cases) > _MANY else 4) for cases in by_test if len(cases) > _SOME]
    return {case.nodeid for cases, one_in in some for n, case in enumerate(cases) if n % one_in}
