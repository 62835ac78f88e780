"""Where a run is written until all of it is there, and how it gets to the place that was asked for.

A new folder is written beside its place and renamed. A folder that is there and empty, such as a volume of a container,
a link or the folder one stands in, is written inside, and ``run.json``, without which no folder is a run, gets to its
place last. Either way everything lies on the disk that was asked for.

Effects: makes, renames and removes files, readable by their owner only.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cds_service.population.run_folder import MANIFEST, RunFolderError, UnplacedRunError
from cds_service.population.table_files import UnreadablePathError, pattern_of
from cds_service.vocabulary.path_text import path_text

_UNFINISHED = ".unfinished"
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # what a disk says that cannot make sure of a folder


@contextmanager
def written_aside(out: Path, export: Path | None = None) -> Iterator[Path]:
    """A folder to write a run into. At the end of the block it gets to ``out``; after an error it is removed.

    Raises:
        RunFolderError: no run can be written to ``out``, or it lies in ``export``, the folder that is read.
        UnplacedRunError: the run is whole, and could not get to its place.
        OSError: something cannot be written.
    """
    place = _place_of(out, export)
    aside = _made_for(place)
    try:
        yield aside
        _sync(aside)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError) and error.errno and _is_of(error, aside):
            error.filename = str(out)
        raise
    try:
        _put(aside, place)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        kept = f"the run is whole and was kept in {path_text(aside)}; give that folder another name"
        raise UnplacedRunError(f"{path_text(out)}: {why}; {kept}") from None


def _place_of(out: Path, export: Path | None) -> Path:
    """Where ``out`` leads: to an empty folder, or to nothing.

    Raises:
        RunFolderError: no run can be written there.
    """
    place = Path(os.path.realpath(out))
    problem = ""
    if place.is_dir():
        if there := next(place.iterdir(), None):
            problem = f"there is something in it already ({path_text(there.name)}); name a folder that is new"
    elif place.is_symlink():
        problem = "this link leads to itself; name a folder that is new"
    elif place.exists():
        problem = "this is a file; name a folder that is new"
    if export is not None and Path(os.path.realpath(export)) in place.parents:
        problem = "this lies in the export and would be read with it the next time; name a folder outside of it"
    if problem:
        raise RunFolderError(f"{path_text(out)}: {problem}")
    try:
        pattern_of(place)
    except UnreadablePathError as error:
        raise RunFolderError(str(error)) from None
    return place


def _made_for(place: Path) -> Path:
    """An empty folder on the disk of ``place``, whose name begins with a dot."""
    if place.is_dir():
        return Path(tempfile.mkdtemp(prefix=".", suffix=_UNFINISHED, dir=place))
    place.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=_UNFINISHED, dir=place.parent))


def _is_of(error: OSError, aside: Path) -> bool:
    """Whether an error is of the folder that is written, or does not say of what it is."""
    name = error.filename
    return not isinstance(name, str | bytes) or Path(os.fsdecode(name)).is_relative_to(aside)


def _put(aside: Path, place: Path) -> None:
    if aside.parent != place:
        aside.rename(place)
        return
    if any(path != aside for path in place.iterdir()):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    moved: list[Path] = []
    try:
        for path in sorted(aside.iterdir(), key=lambda path: path.name == MANIFEST):
            with suppress(OSError):  # some disks know no owners
                path.chmod(0o700 if path.is_dir() else 0o600)  # as the folder around them is not ours to close
            path.rename(place / path.name)
            moved.append(path)
    except OSError:
        for path in reversed(moved):
            (place / path.name).rename(path)
        raise
    with suppress(OSError):
        aside.rmdir()


def _sync(folder: Path) -> None:
    """Makes sure that what was written stays, whatever happens to the machine."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        finally:
            os.close(descriptor)
