"""What several commands need: arguments, progress, and content and store whose faults are messages of the command."""

from __future__ import annotations

import errno
import logging
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from cds_service.settings import Settings, SettingsError, read_settings
from cds_service.vocabulary.usable_times import FIRST_YEAR, LAST_YEAR, is_usable

if TYPE_CHECKING:
    from cds_service.store.store import Store

_T = TypeVar("_T")
_QUIET_SECONDS = 2.0
_WHAT_TO_DO = {
    errno.ENOSPC: "there is no space left where it is written; free some, or write elsewhere",
    errno.EDQUOT: "this user may not use more of the disk; free some, or write elsewhere",
    errno.EROFS: "nothing can be written there (the file system is read-only); name another place",
    errno.EACCES: "this user may not do that (permission denied); change its permissions, or name another place",
    errno.EPERM: "this user may not do that (operation not permitted); name another place",
    errno.ENOENT: "there is no such file or folder; check its name",
    errno.ENOTDIR: "a part of this path is a file and no folder; check its name",
    errno.EISDIR: "this is a folder and no file; name a file",
    errno.EEXIST: "this is there already, and is no folder; name another place",
}

# Signs that a terminal obeys or that turn what is read: C0 but for tab and line feed, DEL and C1 (ECMA-48), marks
# of direction (UAX 9), other separators of lines; and halves of characters, which cannot be written at all.
_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text that may hold words from outside, without what a terminal would obey."""
    return _OBEYED.sub("", text)


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints what a command has to say. Every command prints with this: feedback, requests and files are of others."""
    click.echo(printable(str(text)), err=err, nl=nl)


class WrongUseError(click.ClickException):
    """What was given to a command cannot be used: exit status 2. How the command is written is not what is wrong."""

    exit_code = 2


def system_words(error: OSError) -> str:
    """A sentence for what the operating system refused: of which file, and what to do."""
    what = error.filename if error.filename is not None else "the output"
    name = what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)
    return f"{name}: {_WHAT_TO_DO.get(error.errno or 0) or error.strerror or error}"


def progress(items: Iterable[_T], label: str) -> Iterator[_T]:
    """``items``, while a bar on standard error tells how far they are, on a terminal, if that takes two seconds."""
    begun = time.monotonic()
    with click.progressbar(items, file=sys.stderr, label=label, hidden=True) as bar:
        for item in bar:
            yield item
            bar.hidden = not sys.stderr.isatty() or time.monotonic() - begun < _QUIET_SECONDS


def as_called(*arguments: str) -> str:
    """A command of this program to copy, with the program as it was called, such as ``.venv/bin/cds-service``."""
    program, called = "cds-service", sys.argv[0]
    if Path(called).name == "__main__.py":
        program = "python -m cds_service"
    elif Path(called).name == program and shutil.which(program) != called:
        program = called
    return f"{program} {shlex.join(arguments)}"


def number(count: int, thing: str) -> str:
    """``1 card``, ``2 cards``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


class UrlArgument(click.ParamType[str]):
    """An argument that is the URL of a server, http or https."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url:
            self.fail(f"{value!r} is no URL such as http://127.0.0.1:8080", param, ctx)
        return str(value)


class TimeArgument(click.ParamType[datetime]):
    """An argument that is a point in time, as ISO 8601; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2026-11-23T12:00:00Z", param, ctx)
        if not is_usable(moment):
            self.fail(f"{value!r} is not within the years {FIRST_YEAR} to {LAST_YEAR}", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def settings_of_environment() -> Settings:
    """The settings of the environment.

    Raises:
        WrongUseError: a variable is no setting or cannot be used (Z83).
    """
    try:
        return read_settings()
    except SettingsError as error:
        raise WrongUseError(str(error)) from None


def open_store(settings: Settings) -> Store:
    """The store of the settings, its tables brought up to date. Its ``problem`` is for the command to tell.

    Raises:
        WrongUseError: the URL is not the URL of a database.
    """
    from cds_service.store.store import Store

    log = logging.getLogger("cds_service")
    was_disabled, log.disabled = log.disabled, True  # or the problem would be told twice
    try:
        return Store(settings.store, settings.uuid_key())
    except ValueError as error:
        raise WrongUseError(f"CDS_SERVICE_STORE: {error}") from None
    finally:
        log.disabled = was_disabled
