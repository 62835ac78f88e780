"""Every target of the fuzzers, short and always alike; ``make fuzz`` is the long run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.load.fuzz.fuzzing import schemathesis
from tests.load.fuzz.targets import SLOW, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_read_is_an_answer_or_a_clear_error(name):
    target = TARGETS[name]

    @settings(
        max_examples=150 if name in SLOW else 300,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(random=st.randoms(use_true_random=False))
    def holds(random):
        target(random)

    holds()


def test_requests_made_from_the_openapi_document_are_answered_as_it_says():
    _, cases, _, found = schemathesis(examples=5, seed=1)
    assert not found, found
    assert cases > 100
