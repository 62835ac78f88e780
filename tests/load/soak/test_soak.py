"""A short soak: the promises of ``make soak`` over some seconds of each fault."""

from __future__ import annotations

import pytest

from tests.load.soak.soak import soak


def test_no_fault_brings_a_wrong_card_a_lost_feedback_or_a_5xx_that_it_does_not_explain():
    """Without a rotation of keys, which ``make soak`` has, and with clients that leave the machine to other tests."""
    told = soak(600, 8, pairs=1, rotation=False, longest=4, kill_every=30, pause=0.1)
    assert told.problems() == [], told.text()
    assert min(phase.requests for phase in told.phases) > 0 and told.feedback > 0
    seen = {label.partition(" ")[0] for phase in told.phases for label in phase.explained}
    if not {"fetching", "feedback"} <= seen:
        pytest.fail(f"the faults were felt at all: {told.text()}")
