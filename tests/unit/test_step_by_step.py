"""Answers in steps: what is brief is done at once, the rest elsewhere, and both come to the same."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from cds_service.service.lanes import ThreadLane
from cds_service.service.processor_time import ProcessorTime
from cds_service.service.reply import Reply
from cds_service.service.step_by_step import NotBriefError, Work, reply_here, reply_on_loop

NAME = ContextVar("name", default="nobody")


def steps_of(*works):
    """Does all of them and replies with what came of each, errors by their names."""
    said = []
    for work in works:
        try:
            said.append((yield work))
        except ArithmeticError as error:
            said.append(type(error).__name__)
    return Reply.of(200, " ".join(map(str, said)).encode())


def where(_=None):
    return threading.current_thread().name.partition("_")[0]


def fail():
    raise ZeroDivisionError


def not_brief():
    raise NotBriefError


def on_loop(*works):
    async def answer():
        return (await reply_on_loop(steps_of(*works), ThreadLane("elsewhere", threads=1).run)).body

    return asyncio.run(answer()).decode()


def here(*works):
    return reply_here(steps_of(*works)).body.decode()


def test_what_is_brief_is_done_on_the_loop_and_the_rest_by_a_thread():
    works = Work(where), Work(where, where), Work(where, not_brief)
    assert on_loop(*works) == "elsewhere MainThread elsewhere"
    assert here(*works) == "MainThread MainThread MainThread"


@pytest.mark.parametrize("way", [on_loop, here])
def test_what_work_raises_is_met_where_it_was_asked_for(way):
    assert way(Work(lambda: 1), Work(fail), Work(lambda: 2)) == "1 ZeroDivisionError 2"
    assert way(Work(lambda: 1, fail), Work(fail, not_brief)).endswith("ZeroDivisionError")


@pytest.mark.parametrize("way", [on_loop, here])
def test_what_the_steps_raise_ends_them(way):
    def steps():
        yield Work(lambda: 1)
        fail()

    with pytest.raises(ZeroDivisionError):
        reply_here(steps()) if way is here else asyncio.run(reply_on_loop(steps(), ThreadLane("x", threads=1).run))


def test_a_thread_knows_of_the_request_what_the_steps_know():
    NAME.set("the request")
    assert on_loop(Work(NAME.get), Work(NAME.get, not_brief)) == "the request the request"


def test_long_work_is_stopped_on_the_loop_and_done_whole_by_a_thread():
    brief = ProcessorTime(seconds=20).brief
    tried = []

    def long():
        tried.append(where())
        while where() != "elsewhere":
            pass
        return where()

    assert on_loop(Work(long, lambda: brief(long))) == "elsewhere"
    assert tried == ["MainThread", "elsewhere"]
