"""Lanes: what waits is bounded in number and in time, and one lane does not hold up another."""

import asyncio
import threading

import pytest

from cds_service.service.lanes import LaneFullError, ThreadLane


def test_what_is_done_in_a_lane_is_returned_and_raised():
    async def use():
        lane = ThreadLane("test", threads=1)
        assert await lane.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 / 0)

    asyncio.run(use())


def test_more_than_may_wait_are_refused_at_once_and_the_others_done():
    async def use():
        lane, other = ThreadLane("test", threads=2, most_waiting=3), ThreadLane("other", threads=1)
        gate = threading.Event()
        held = [asyncio.create_task(lane.run(gate.wait)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(LaneFullError):
            await lane.run(gate.wait)
        assert await other.run(lambda: "done") == "done"
        gate.set()
        assert await asyncio.gather(*held) == [True] * 5
        assert await lane.run(lambda: 7) == 7

    asyncio.run(use())


def test_what_has_waited_too_long_is_not_done():
    async def use():
        lane = ThreadLane("test", threads=1, patience=0.01)
        gate, done = threading.Event(), []
        first = asyncio.create_task(lane.run(gate.wait))
        late = asyncio.create_task(lane.run(lambda: done.append(1)))
        await asyncio.sleep(0.05)
        gate.set()
        await first
        with pytest.raises(LaneFullError):
            await late
        assert done == []

    asyncio.run(use())
