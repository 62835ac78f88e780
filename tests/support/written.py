"""Files that the service writes beside its calls: they are whole a moment after the answer."""

import time


def lines_of(path, lines, seconds=20):
    """The lines of a file as soon as there are so many of them, else after so many seconds what there is."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        text = path.read_text() if path.exists() else ""
        if text.count("\n") >= lines:
            break
        time.sleep(0.01)
    return text.splitlines()
