"""A page that is followed word for word: its steps in order, each done in a folder as a reader does it.

Four kinds of step, told by the block and by the line above it, as a reader tells them:

- a block of ``sh`` is typed into one and the same shell; a block of ``text`` right after it is what it prints, on
  either output. In that, ``…`` stands for what was left out: alone in a line for any lines, within a line for any
  signs. A name behind ``sh``, which no reader sees, says what else: ``refused``, that it ends with another status than
  0, and ``serve``, that it goes on while the rest is done.
- below a line that ends with "Write `PATH`:" the whole of a file
- below a line that ends with "at the end of `PATH`:" more of a file
- below a line that ends with "In `PATH`, replace:" what stands there once; the next block, below a line that ends with
  "with:", takes its place

A block with the name ``shown`` is a part of a file that is there: its lines stand in one file, whatever comments stand
behind them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from tests.support.ports import free_port
from tests.support.servers import wait_until_answers
from tests.support.shown_commands import environment, placed

_BLOCK = re.compile(
    r"(?P<lead>[^\n]*)\n\n?^```(?P<language>\w+)(?: (?P<name>[\w-]+))?\n(?P<text>.*?)^```$", re.M | re.S
)
_FILES = (
    ("write", re.compile(r"\bWrite `([^`]+)`:$")),
    ("add", re.compile(r"\bat the end of `([^`]+)`:$")),
    ("replace", re.compile(r"\b[Ii]n `([^`]+)`, replace:$")),
)
_LEFT_OUT = "…"
_REFUSED, _SHOWN = "refused", "shown"
_ADDRESS = "http://127.0.0.1:8080"


class PageError(AssertionError):
    """The page is not as it says; with its name and line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a reader does: ``kind`` is ``type``, ``write``, ``add``, ``replace`` or
    ``see``.

    ``text`` is what is typed or written. ``path`` is that of the file; ``old`` what stood in the place. ``name`` is
    that of a block that is typed, and ``shown`` what it prints, ``None`` if the page does not say.
    """

    where: str
    kind: str
    text: str
    path: str = ""
    old: str = ""
    name: str = ""
    shown: str | None = None


def steps(page: Path) -> Iterator[Step]:
    """The steps of a page, in order.

    Raises:
        PageError: a block is of no kind.
    """
    whole = page.read_text(encoding="utf-8")
    found = [
        (f"{page.name}:{whole.count(chr(10), 0, match.start('language')) + 1}", match)
        for match in _BLOCK.finditer(whole)
    ]
    at = 0
    while at < len(found):
        where, match = found[at]
        after = found[at + 1][1] if at + 1 < len(found) else None
        if match["language"] == "sh":
            has_output = after is not None and after["language"] == "text"
            shown = after["text"] if after is not None and has_output else None
            yield Step(where, "type", match["text"], name=match["name"] or "", shown=shown)
            at += 1 + has_output
            continue
        if match["name"] == _SHOWN:
            yield Step(where, "see", match["text"])
            at += 1
            continue
        kind, path = _file_of(match["lead"], where)
        if kind != "replace":
            yield Step(where, kind, match["text"], path)
        elif after is None or not after["lead"].lower().endswith("with:"):
            raise PageError(f"{where}: no block says what takes the place")
        else:
            yield Step(where, kind, after["text"].rstrip("\n"), path, old=match["text"].rstrip("\n"))
            at += 1
        at += 1


def _file_of(lead: str, where: str) -> tuple[str, str]:
    for kind, pattern in _FILES:
        if found := pattern.search(lead):
            return kind, found[1]
    raise PageError(f"{where}: the line above the block says no file: {lead!r}")


class Reader:
    """Somebody who does the steps of a page, beginning in a folder of their own.

    What is exported and the folder that is gone into last from block to block. The service that the page starts listens
    on a port of the tests, and is ended when the next is started, and at the end (``with``).
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder / "exported"
        self._state.write_text(f"cd {folder}\n", encoding="utf-8")
        self._where = folder
        self._service: subprocess.Popen[bytes] | None = None
        self._url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_service()

    def do(self, step: Step) -> None:
        """Does one step.

        Raises:
            PageError: it cannot be done, or something else is printed than the page shows.
        """
        if step.kind == "see":
            self._see(step)
        elif step.kind != "type":
            self._write(step)
        elif step.name == "serve":
            self._serve(step)
        else:
            self._type(step)

    def _see(self, step: Step) -> None:
        wanted = set(_without_comments(step.text))
        texts = (path.read_text(encoding="utf-8") for path in sorted(self._where.rglob("*.yaml")))
        if not any(wanted <= set(_without_comments(text)) for text in texts):
            raise PageError(f"{step.where}: no file has these lines:\n{step.text}")

    def _write(self, step: Step) -> None:
        path = self._where / step.path
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if step.kind == "replace":
            if there.count(step.old) != 1:
                raise PageError(f"{step.where}: this stands {there.count(step.old)} times in {step.path}:\n{step.old}")
            text = there.replace(step.old, step.text)
        elif step.kind == "add" and not there:
            raise PageError(f"{step.where}: there is no {step.path} to add to")
        else:
            text = there + step.text if step.kind == "add" else step.text
        path.write_text(text, encoding="utf-8")

    def _type(self, step: Step) -> None:
        places = {_ADDRESS: self._url, "cds-service fire": f"cds-service fire --url {self._url}"}
        kept = f"trap 'export -p > {self._state}; echo \"cd $PWD\" >> {self._state}' EXIT"
        done = subprocess.run(
            ["bash", "-c", f". {self._state}\n{kept}\nset -eo pipefail\n{placed(step.text, places)}"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        self._where = Path(self._state.read_text(encoding="utf-8").splitlines()[-1].removeprefix("cd "))
        printed = placed(done.stdout, {self._url: _ADDRESS})
        if (done.returncode != 0) != (step.name == _REFUSED):
            raise PageError(f"{step.where}: ended with {done.returncode}:\n{step.text}\n{printed}")
        if step.shown is not None and not is_as_shown(printed, step.shown):
            told = unified_diff(step.shown.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
            raise PageError(f"{step.where}: other than shown:\n{step.text}\n" + "\n".join(told))

    def _serve(self, step: Step) -> None:
        self._end_service()
        port = self._url.rpartition(":")[2]
        text = placed(step.text, {"cds-service serve": f"exec cds-service serve --port {port}"})
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._service = subprocess.Popen(["bash", "-c", f". {self._state}\n{text}"], env=environment(), **quiet)
        wait_until_answers(f"{self._url}/readyz", self._service)

    def _end_service(self) -> None:
        if self._service is not None:
            self._service.terminate()
            self._service.wait(20)


def _without_comments(text: str) -> Iterator[str]:
    return (line for line in (re.sub(r"(^|\s+)#.*$", "", line).rstrip() for line in text.splitlines()) if line)


def is_as_shown(printed: str, shown: str) -> bool:
    """Whether a command printed what the page shows. Spaces at the ends of lines are not looked at."""
    pattern = ""
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == _LEFT_OUT:
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*?".join(re.escape(part) for part in line.rstrip().split(_LEFT_OUT)) + r"[ \t]*\n"
    return re.fullmatch(pattern, f"{printed.rstrip()}\n") is not None
