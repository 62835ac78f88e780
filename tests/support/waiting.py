"""Waiting for what the service does beside its answers, with an end."""

import time


def eventually(holds, seconds=60):
    """Waits until ``holds`` returns something true, and returns that.

    Raises:
        AssertionError: it did not within so many seconds.
    """
    ends = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)
    return found


def lines_of(path, lines, seconds=20):
    """The lines of a file as soon as there are so many of them."""

    def written():
        text = path.read_text() if path.exists() else ""
        return text.splitlines() if text.count("\n") >= lines else []

    return eventually(written, seconds)
