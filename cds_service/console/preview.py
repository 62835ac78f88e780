"""Content that is not released, read for the console alone: once, and again when a file of it has changed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from cds_service.content.load import load_pack
from cds_service.content.lock import LOCK
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.content.site_parts import Names
from cds_service.vocabulary.problems import Problem, ProblemsError

_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """One state of the folder: its content made ready, or why it cannot be; then ``prepared`` is ``None``.

    ``stamp`` tells it from every other state.
    """

    stamp: _Stamp
    prepared: Prepared | None = None
    problems: tuple[Problem, ...] = ()


class PreviewContent:
    """The pack in the folder ``cards`` or alone in it, under the overlay in the file ``site``; it need not be locked.

    It may be used from many threads. ``zone`` is the name of the hospital's time zone. ``others`` gives the names of
    the packs that are served, by their ids.
    """

    def __init__(
        self, cards: Path, site: Path | None, zone: str, others: Callable[[], Mapping[str, Names]] = dict
    ) -> None:
        self.cards = cards
        self._site, self._zone, self._others = site, ZoneInfo(zone), others
        self._key = secrets.token_bytes(32)  # no uuid of a card that is only looked at is taken for a released one's
        self._reading = threading.Lock()
        self._last: Preview | None = None

    def now(self) -> Preview:
        """The present state; it is read if a file has changed, which takes about half a second."""
        with self._reading:
            stamp = self._stamp()
            if self._last is None or self._last.stamp != stamp:
                self._last = self._read(stamp)
            return self._last

    def _read(self, stamp: _Stamp) -> Preview:
        try:
            pack = load_pack(self.cards, read_site(self._site), others=self._others())
            return Preview(stamp, Prepared.of(pack, zone=self._zone, key=self._key))
        except ProblemsError as error:
            return Preview(stamp, problems=tuple(sorted(error.problems)))
        except Exception as error:  # files that change while they are read, or that nobody has thought of
            return Preview(
                stamp, problems=(Problem(self.cards, 1, "preview", f"could not be read: {type(error).__name__}"),)
            )

    def _stamp(self) -> _Stamp:
        """Name, time and size of every file that the content is read from."""
        files = [*self.cards.rglob("*.yaml"), *self.cards.rglob(LOCK), *([self._site] if self._site else [])]
        found = []
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            found.append((str(file), status.st_mtime_ns, status.st_size))
        return tuple(sorted(found))
