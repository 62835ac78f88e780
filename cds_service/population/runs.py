"""The runs in a folder: which there are, and which tells most about the content that is served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cds_service.content.model import Pack
from cds_service.population.answered_otherwise import otherwise_in_words
from cds_service.population.manifest import Manifest
from cds_service.population.run_folder import RunFolderError
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import VIEW, ContentSummary, Summary, read_summary
from cds_service.population.words import sentence_of
from cds_service.vocabulary.path_text import path_text


@dataclass(frozen=True, slots=True)
class Run:
    """One run, by the ``name`` of its ``folder``: its ``summary``, or the ``problem`` for which it has none."""

    folder: Path
    name: str
    summary: Summary | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """What a run found of one content. ``is_of_version`` says whether that is the version that is served."""

    folder: Path
    name: str
    summary: Summary
    content: ContentSummary
    is_of_version: bool

    @property
    def window(self) -> str:
        window = self.summary.manifest.window
        return f"{window.since.date()} to {window.until.date()}"

    @property
    def made(self) -> datetime | None:
        """When it was made, if it says so."""
        return self.summary.manifest.made

    @property
    def told(self) -> str:
        """Which content it is, in a few words."""
        return self.summary.manifest.contents[self.content.name].told

    @property
    def against(self) -> str:
        """Which content a comparison held it against; ``""`` if it was no comparison."""
        contents = self.summary.manifest.contents
        return next((other.told for name, other in contents.items() if name != self.content.name), "")

    @property
    def otherwise(self) -> str:
        """What the new content of a comparison answers otherwise, in one sentence; ``""`` if it was no comparison."""
        return otherwise_in_words(self.summary, Shown())

    @property
    def sentence(self) -> str:
        """What it comes to, in one sentence."""
        return sentence_of(self.summary, self.content, Shown())


def runs_in(folder: Path) -> list[Run]:
    """Every run in a folder, that whose window ends last before the others, and of one window that which was made last;
    at the end those that cannot be read.

    A folder whose name begins with a dot is none: it is still being written.

    Raises:
        RunFolderError: the folder cannot be read.
    """
    try:
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise RunFolderError(f"{path_text(folder)}: {(error.strerror or type(error).__name__).lower()}") from None
    read = [_read(path) for path in folders]
    good = [(run.summary.manifest, run) for run in read if run.summary is not None]
    good.sort(key=lambda each: (*_newness(each[0]), each[1].name), reverse=True)
    return [*(run for _, run in good), *(run for run in read if run.summary is None)]


def _newness(manifest: Manifest) -> tuple[datetime, datetime, datetime]:
    window = manifest.window
    return window.until, window.since, manifest.made or datetime.min.replace(tzinfo=UTC)


def judged_runs(runs: Iterable[Run], pack: Pack) -> list[JudgedRun]:
    """What those of ``runs`` that judged any version of this pack found, in their order.

    Of a comparison it is the content of the version that is served, else the new one.
    """
    found = []
    for run in runs:
        if run.summary is None:
            continue
        named = run.summary.manifest.contents
        ours = [content for content in run.summary.counted.contents if named[content.name].id == pack.id]
        of_version = [content for content in ours if named[content.name].version == pack.version]
        if ours:
            content = (of_version or ours)[-1]
            found.append(JudgedRun(run.folder, run.name, run.summary, content, bool(of_version)))
    return found


def newest(runs: Iterable[JudgedRun]) -> JudgedRun | None:
    """The newest run of the very version that is served, else the newest; ``None`` without any.

    Of runs of one window a comparison comes last: a run that was made by itself is what a hospital went live with.
    """
    runs = list(runs)
    found = [run for run in runs if run.is_of_version] or runs
    same = (run for run in found if run.summary.manifest.window == found[0].summary.manifest.window)
    return min(same, key=lambda run: bool(run.against), default=None)


@dataclass(frozen=True, slots=True)
class Spoken:
    """How often the rules of one decision spoke in a run: on orders, and on charts that were opened once.

    ``unshown`` counts what fired on either and was shown to nobody, because it runs in the shadow or is switched off.
    """

    run: JudgedRun
    on_orders: int
    on_charts: int
    unshown: int


def spoken(run: JudgedRun, decision: str) -> Spoken:
    """How often the rules of a decision spoke in a run."""
    content = run.content
    orders, charts = (
        [rule for rule in content.rules_at(hook) if rule.decision == decision] for hook in (content.hook, VIEW)
    )
    return Spoken(
        run,
        sum(rule.shown for rule in orders),
        sum(rule.shown for rule in charts),
        sum(rule.fired for rule in [*orders, *charts] if rule.status != "active"),
    )


def _read(folder: Path) -> Run:
    name = folder.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # whatever a disk calls it
    try:
        return Run(folder, name, read_summary(folder))
    except RunFolderError as error:
        return Run(folder, name, None, str(error).removeprefix(f"{path_text(folder)}: "))
