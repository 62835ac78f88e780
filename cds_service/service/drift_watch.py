"""Holds the cards that are shown against the population runs in a folder, for those who scrape metrics.

Nothing is reckoned when a call is answered: what was counted is read when it is asked for, and not more often than it
can tell anything new.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cds_service.population.drift import RuleDrift, watch
from cds_service.population.run_folder import RunFolderError
from cds_service.service.served_content import ServedContent
from cds_service.store.database import StoreDown
from cds_service.store.store import Store

_log = logging.getLogger("cds_service")
_EVERY_SECONDS = 300.0


class DriftWatch:
    """The rules of all packs that are served, against the runs in the folder ``runs``; nothing without a folder."""

    def __init__(
        self, runs: Path | None, content: ServedContent, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._runs, self._content, self._store, self._clock = runs, content, store, clock
        self._looked = float("-inf")
        self._rules: list[tuple[str, RuleDrift]] = []
        self._problem = ""

    def rules(self) -> list[tuple[str, RuleDrift]]:
        """Every rule that is held against a run, with the id of its pack, as it stood some minutes ago at most.

        While the runs cannot be read nothing is expected; while the store cannot be, what was known last is known.
        """
        if self._runs is not None and self._clock() - self._looked >= _EVERY_SECONDS:
            self._looked = self._clock()
            self._look(self._runs)
        return self._rules

    def _look(self, runs: Path) -> None:
        problem = ""
        now = datetime.now(UTC)
        try:
            watches = {one.pack.id: watch(runs, one.pack, self._store, now) for one in self._content.now().packs}
        except RunFolderError as error:
            self._rules, problem = [], str(error)
        except StoreDown:
            return
        else:
            self._rules = [
                (pack, rule) for pack, of in watches.items() if of for each in of.services for rule in each.rules
            ]
        if problem and problem != self._problem:
            _log.warning("the population runs cannot be read, so no rule is held against them: %s", problem)
        self._problem = problem
