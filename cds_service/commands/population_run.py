"""What ``cds-service population run`` and ``compare`` have in common: options, the run, and what goes wrong."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cds_service.commands.common import (
    TimeArgument,
    WrongUseError,
    open_store,
    say,
    settings_of_environment,
    system_words,
)
from cds_service.content.lock import content_digest
from cds_service.content.prepared import Prepared
from cds_service.population.answered_otherwise import otherwise_in_words
from cds_service.population.extra import not_installed
from cds_service.population.manifest import Window
from cds_service.population.records import ORDER_NOT_KNOWN
from cds_service.population.run_folder import RunFolderError, UnplacedRunError
from cds_service.population.shared_counts import Shown
from cds_service.population.silent_rules import not_exported_in_words
from cds_service.population.summary import read_summary
from cds_service.population.words import orders_in_window, sentence_of
from cds_service.vocabulary.path_text import path_text

if TYPE_CHECKING:
    from cds_service.population.export_check import ExportCheck
    from cds_service.population.run_engine import Engine

HOOKS = ("order-select", "order-sign", "patient-view")
_A_YEAR = timedelta(days=365)
_A_DAY = timedelta(days=1)  # which the day of an export may still have to run
_QUIET_SECONDS = 2.0
_MEMORY = "2GB"


class HooksArgument(click.ParamType[tuple[str, ...]]):
    """Hooks with commas between them."""

    name = "hooks"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        hooks = tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        for hook in hooks:
            if hook not in HOOKS:
                self.fail(f"{hook!r} is none of {', '.join(HOOKS)}", param, ctx)
        return hooks


class MemoryArgument(click.ParamType[str]):
    """An amount of memory, such as 2GB."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip().upper().replace(" ", "")
        if not re.fullmatch(r"[1-9][0-9]{0,5}(MB|GB)", text):
            self.fail(f"{value!r} is no amount of memory such as 2GB or 500MB", param, ctx)
        return text


def cores() -> int:
    """How many processes a run starts if nobody says."""
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run, as they were given."""

    export: Path
    out: Path
    since: datetime | None
    until: datetime | None
    hooks: tuple[str, ...]
    workers: int
    memory: str
    patients: str
    engine: str
    master: str | None


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of a run, as ``options``."""

    def with_options(**given: Any) -> Any:
        names = RunOptions.__dataclass_fields__
        options = RunOptions(**{name: given.pop(name) for name in names})
        return command(options=options, **given)

    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    with_options.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    decorated: Callable[..., Any] = with_options
    for option in reversed(
        [
            click.option(
                "--out",
                required=True,
                type=click.Path(path_type=Path),
                help="The folder of the run, which must be new or empty.",
            ),
            click.option(
                "--since", type=TimeArgument(), help="Orders from then on; a year before --until if not given."
            ),
            click.option(
                "--until",
                type=TimeArgument(),
                help="Orders before then, when charts are opened; else when the export was made, by its manifest.",
            ),
            click.option(
                "--hooks",
                type=HooksArgument(),
                default="order-sign,patient-view",
                show_default=True,
                help="What is judged, of order-select, order-sign and patient-view.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(1, 256),
                default=cores,
                show_default="one a core",
                help="Processes that read and judge.",
            ),
            click.option(
                "--memory",
                type=MemoryArgument(),
                default=_MEMORY,
                show_default=True,
                help="What sorting may use; beyond that it goes to disk, beside --out. With Spark, that of a process.",
            ),
            click.option(
                "--patients",
                type=click.Choice(["hash", "id", "none"]),
                default="hash",
                show_default=True,
                help="How the tables name patients: by a hash made with the key of this service, by id, or not at all.",
            ),
            click.option(
                "--engine",
                type=click.Choice(["duckdb", "spark"]),
                default="duckdb",
                show_default=True,
                help="What reads and sorts: DuckDB on this machine, or Apache Spark on one or many.",
            ),
            click.option(
                "--master",
                metavar="URL",
                help="Where Spark runs, such as spark://host:7077; on this machine with --workers if not given.",
            ),
        ]
    ):
        decorated = option(decorated)
    return decorated


def needs_the_extra(engine: str = "duckdb") -> None:
    """Says how to install what only population runs need.

    Raises:
        WrongUseError: it is not installed.
    """
    missing = not_installed(engine)
    if missing:
        text = f"population runs need {' and '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}"
        raise WrongUseError(text)


def checked(export: Path, prepared: Prepared, workers: int) -> ExportCheck:
    """What an export holds.

    Raises:
        WrongUseError: it cannot be read.
        ClickException: it ended before it was done.
    """
    from cds_service.population.duck import Machine, SortingError
    from cds_service.population.export_check import check_export
    from cds_service.population.export_files import ExportError, find_export
    from cds_service.population.selection import Selection
    from cds_service.population.table_files import UnreadablePathError, pattern_of
    from cds_service.population.workers import WorkerEndedError, started

    # The module of temporary files would take another disk where that of TMPDIR is full.
    place = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    try:
        pattern_of(place.absolute())
        files = find_export(export, Selection([prepared]).types)
        with tempfile.TemporaryDirectory(dir=place) as folder, started(workers) as processes:
            aside = Path(folder, "aside")
            aside.mkdir()
            each = partial(processes.map, told=ExportError)
            return check_export(prepared, files, Machine(workers, _MEMORY, Path(folder)), aside, each)
    except (ExportError, UnreadablePathError) as error:
        raise WrongUseError(str(error)) from None
    except OSError as error:
        if not isinstance(error.filename, str) or Path(error.filename).is_relative_to(place):
            error.filename = str(place)  # what is written there has gone
        raise click.ClickException(f"The check ended before it was done: {system_words(error)}") from None
    except (SortingError, WorkerEndedError) as error:
        raise click.ClickException(f"The check ended before it was done: {error}") from None


def run_and_tell(options: RunOptions, contents: Mapping[str, Prepared], folders: Mapping[str, Path]) -> None:
    """Runs, and says what came of it in a sentence a content.

    Raises:
        WrongUseError: the export, the folder or the window cannot be used.
        ClickException: the run ended before it was done.
    """
    engine = _engine(options)
    from cds_service.population.duck import SortingError
    from cds_service.population.export_files import ExportError
    from cds_service.population.read_export import ReadExport, in_words
    from cds_service.population.run_engine import EngineError
    from cds_service.population.whole_run import AskedRun, run
    from cds_service.population.workers import WorkerEndedError

    window = _window(options)
    digests = {name: content_digest(folder) for name, folder in folders.items()}
    asked = AskedRun(
        options.export,
        contents,
        digests,
        options.hooks,
        window,
        _key(),
        engine,
        datetime.now(UTC).replace(microsecond=0),
        options.patients,
    )
    try:
        with _progress() as tell:
            manifest = run(asked, options.out, tell)
    except (ExportError, RunFolderError) as error:
        raise WrongUseError(str(error)) from None
    except (EngineError, SortingError, WorkerEndedError) as error:
        raise click.ClickException(f"The run ended before it was done, and left nothing: {error}") from None
    except UnplacedRunError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        words = system_words(error)
        raise click.ClickException(f"The run ended before it was done, and left nothing: {words}") from None
    for line in in_words(msgspec.convert(manifest.export, ReadExport)):
        say(line, err=True)
    summary = read_summary(options.out)
    if len(contents) > 1:
        say(otherwise_in_words(summary, Shown()))
    for content in summary.counted.contents:
        name = f"{content.name}: " if len(contents) > 1 else ""
        say(f"{name}{sentence_of(summary, content, Shown())}")
        if about := orders_in_window(summary, content, Shown()):
            say(f"{name}{about}")
        if missing := not_exported_in_words(summary.manifest.contents[content.name]):
            say(f"{name}{missing}", err=True)
    problems = sum(times for problem, _, times in summary.counted.problems if problem != ORDER_NOT_KNOWN)
    if problems:
        what, they = ("resource", "it is") if problems == 1 else ("resources", "they are")
        where = f"{options.out}/problems and the report say why"
        say(f"{problems:,} {what} could not be used as {they}; {where}.")
    say(f"Kept in {options.out}. To read it: cds-service population report {shlex.quote(str(options.out))}")


def _engine(options: RunOptions) -> Engine:
    """What reads and judges.

    Raises:
        WrongUseError: it is not installed, or --master is said of an engine that has none.
    """
    if options.master and options.engine != "spark":
        raise WrongUseError("--master says where Spark runs: give --engine spark too")
    needs_the_extra(options.engine)
    if options.engine == "spark":
        from cds_service.population.spark import Spark

        return Spark(options.master or f"local[{options.workers}]", options.memory)
    from cds_service.population.one_machine import OneMachine

    return OneMachine(options.workers, options.memory)


def _window(options: RunOptions) -> Window:
    """The window of a run: until the export was made, from a year before. Says so where it ends after that.

    Raises:
        WrongUseError: nobody says until when, it ends before it begins, or in the future.
    """
    from cds_service.population.server_manifest import read_manifest

    server = read_manifest(options.export)
    until = options.until or server.made
    if until is None:
        problem = server.problem or f"{path_text(options.export)} has no manifest.json with a transactionTime"
        raise WrongUseError(f"{problem}: say with --until when it was made")
    if options.until is not None:
        _not_after_the_export(options.until, server.made)
    since = options.since or until - _A_YEAR
    if since >= until:
        raise WrongUseError(f"--since {since.isoformat()} is not before --until {until.isoformat()}")
    return Window(since.astimezone(UTC), until.astimezone(UTC))


def _not_after_the_export(until: datetime, made: datetime | None) -> None:
    """Says where a window ends more than a day after an export was made, if anybody knows when it was.

    Raises:
        WrongUseError: it ends more than a day from now.
    """
    if until > datetime.now(UTC) + _A_DAY:
        raise WrongUseError(f"--until {until.isoformat()} is in the future, of which no export knows anything")
    if made is not None and until > made + _A_DAY:
        text = f"--until {until.isoformat()} is after {made.isoformat()}, when the export was made by its manifest: "
        say(f"{text}charts are opened as if nothing had happened since.", err=True)


def _key() -> bytes:
    """The key of the settings or, without one, that which the service keeps in its store."""
    settings = settings_of_environment()
    key = settings.uuid_key()
    if key is None:
        store = open_store(settings)
        key = store.key
        store.close()
    return key


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Tells on standard error how far a run is, on a terminal, once it takes more than two seconds."""
    begun = last = time.monotonic()
    told = False

    def tell(text: str) -> None:
        nonlocal last, told
        now = time.monotonic()
        if sys.stderr.isatty() and now - begun > _QUIET_SECONDS and now - last > 1:
            last, told = now, True
            say(f"\r\x1b[K{text}", err=True, nl=False)

    yield tell
    if told:
        say("", err=True)
