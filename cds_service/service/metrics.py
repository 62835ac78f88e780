"""Metrics for Prometheus: calls, feedback, findings by rule, FHIR searches, what is served. Never data of a patient.

Findings of shadow decisions are counted like those of active ones: a shadow decision exists only to be counted. Those
of a rule that the site has switched off are counted as ``withdrawn``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import ValueClass

from cds_service.content.model import Service
from cds_service.content.reviews import ReviewState
from cds_service.judge.evaluate import Answer
from cds_service.judge.understanding import NotUnderstood
from cds_service.population.drift import Drift, RuleDrift
from cds_service.service.served_content import ServedStatus
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import Fetch, Fetched, FhirAccess

M = TypeVar("M", Counter, Histogram)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class _Known(dict[tuple[object, ...], M]):
    """The metrics of ``parent``, such as a counter, by their labels; each is looked for in it once.

    The labels are words of the content and other closed sets, so that there are few of them.
    """

    def __init__(self, parent: M) -> None:
        self.parent: M = parent

    def __missing__(self, labels: tuple[object, ...]) -> M:
        found: M = self.parent.labels(*labels)
        self[labels] = found
        return found


class Metrics:
    """The metrics of one application, or of all workers where they share the folder ``PROMETHEUS_MULTIPROC_DIR``."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._versions: dict[str, str] = {}  # by pack
        self._rules_seen_off: dict[str, set[str]] = {}
        self._watched: set[tuple[str, str, str, str]] = set()  # rules that were ever held against a run
        self._add_counts()
        self._add_states()

    def _add_counts(self) -> None:
        """What only grows: counters, and histograms of durations in seconds."""
        counter = partial(Counter, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry, buckets=_SECONDS)
        self._calls = _Known(counter("cds_service_calls", "Calls by service and status", ["service", "status"]))
        self._seconds = _Known(histogram("cds_service_call_seconds", "Time to answer a call, by service", ["service"]))
        self._replays = counter(
            "cds_service_replays",
            "Calls that replay sent, by service and status; they are counted nowhere else",
            ["service", "status"],
        )
        self._feedback = counter("cds_service_feedback", "Feedback by service and status", ["service", "status"])
        self._findings = _Known(
            counter(
                "cds_service_findings",
                "Findings by rule, whether shown (active) or not (shadow, withdrawn)",
                ["service", "decision", "version", "rule", "indicator", "status"],
            )
        )
        self._not_understood = _Known(
            counter(
                "cds_service_not_understood",
                "What calls sent and nothing understood, by what it is of an entry or order, and by its code system",
                ["kind", "system"],
            )
        )
        self._refused = counter("cds_service_refusals", "Calls that were not let in, by reason", ["reason"])
        self._searches = counter(
            "cds_service_fhir_searches",
            "Searches that were not prefetched, by outcome: read, or why they could not be",
            ["outcome"],
        )
        self._searching = histogram("cds_service_fhir_seconds", "Time that a call waited for FHIR searches")
        self._defects = counter(
            "cds_service_defects",
            "Faults of this software, whether they cost an answer or a part of one; the log says where",
        )
        self._recordings = counter(
            "cds_service_recordings",
            "Requests recorded, by outcome: kept, changed by de-identification, refused, failed, full",
            ["outcome"],
        )
        self._audit_failures = counter("cds_service_audit_failures", "Lines of the audit that were not written whole")
        self._log_losses = counter("cds_service_log_lines_lost", "Lines of the log that were not taken in time")

    def _add_states(self) -> None:
        """What goes up and down: gauges, of which the one that was set last counts if there are several workers."""
        gauge = partial(Gauge, registry=self._registry, multiprocess_mode="livemostrecent")
        self._content = gauge("cds_service_content", "1 for the version of a pack that is served", ["pack", "version"])
        self._content_refused = gauge(
            "cds_service_content_refused",
            "1 while the folder of a pack holds content that was refused, and older content of it or none is served",
            ["pack"],
        )
        self._off = gauge(
            "cds_service_decision_off",
            "1 for each decision that the site has switched off, 0 for the others",
            ["pack", "decision"],
        )
        self._rule_off = gauge(
            "cds_service_rule_off",
            "1 for each single rule that the site has switched off, 0 for one that it has switched on again",
            ["pack", "rule"],
        )
        self._review = gauge(
            "cds_service_content_review",
            "1 for what comes of the clinical review of a pack: none of this version, current, or expired",
            ["pack", "state"],
        )
        of_rule = ["pack", "service", "decision", "rule"]
        self._expected = gauge(
            "cds_service_rule_expected",
            "Cards of a rule that a population run leads to expect in the days that are watched",
            of_rule,
        )
        self._ratio = gauge(
            "cds_service_rule_ratio",
            "Bounds of the 99 % interval of the cards that were shown to those that were expected",
            [*of_rule, "bound"],
        )
        self._drift = gauge(
            "cds_service_rule_drift",
            "1 if a rule is less than half as frequent as expected (silent), or more than twice (doubled)",
            [*of_rule, "drift"],
        )
        self._store = gauge("cds_service_store_reachable", "1 while feedback would be kept, 0 while it would not")
        self._site = gauge(
            "cds_service_site_refused",
            "1 while the site's settings as they stand are refused and the old ones go on",
        )
        self._shown = gauge(
            "cds_service_content_shown",
            "1 if the cards of a pack are shown, 0 if it runs as shadow",
            ["pack"],
        )

    def count_call(self, service: str, status: int, seconds: float) -> None:
        """One call of a hook was answered, with any status, after so many seconds."""
        self._calls[service, status].inc()
        self._seconds[(service,)].observe(seconds)

    def count_replay(self, service: str, status: int) -> None:
        """One call of a hook that replay had sent was answered, with any status (Z85)."""
        self._replays.labels(service, status).inc()

    def count_feedback(self, service: str, status: int) -> None:
        """One call that brought feedback was answered; the status says whether it was stored."""
        self._feedback.labels(service, status).inc()

    def count_findings(self, service: Service, answer: Answer) -> None:
        """Every finding of an answer by its rule, shown or not."""
        for judged in answer.judged:
            for finding in judged.decided.cards:
                decision = finding.decision
                self._findings[
                    service.id,
                    decision.id,
                    decision.version,
                    finding.rule.id,
                    finding.then.indicator,
                    finding.status,
                ].inc()

    def count_not_understood(self, items: Iterable[NotUnderstood]) -> None:
        """What one call sent and nothing understood; a system that is in no table is ``other``, no system ``none``."""
        for item in items:
            self._not_understood[item.counted_as].inc()

    def count_refusal(self, reason: str) -> None:
        """One call was not let in; ``reason`` is one of few fixed words."""
        self._refused.labels(reason).inc()

    def count_defect(self) -> None:
        """One defect of this software showed."""
        self._defects.inc()

    def count_recording(self, outcome: str) -> None:
        """What became of one request that was to be recorded: ``kept``, ``changed``, ``failed`` or ``full``."""
        self._recordings.labels(outcome).inc()

    def count_audit_failure(self) -> None:
        """One line of the audit was not written whole."""
        self._audit_failures.inc()

    def count_lost_line(self) -> None:
        """One line of the log was not written."""
        self._log_losses.inc()

    def counting(self, fetch: Fetch) -> Fetch:
        """``fetch`` itself, with each search counted by its outcome and the time of all of them measured."""

        def fetch_and_count(
            access: FhirAccess,
            searches: Sequence[Search],
            patient_id: str,
            *,
            further: bool = False,
            urgent: Collection[str] = (),
        ) -> Mapping[str, Fetched]:
            began = time.perf_counter()
            fetched = fetch(access, searches, patient_id, further=further, urgent=urgent)
            self._searching.observe(time.perf_counter() - began)
            for result in fetched.values():
                self._searches.labels(result.problem.value if result.raw is None else "read").inc()
            return fetched

        return fetch_and_count

    def set_content(self, statuses: Iterable[ServedStatus]) -> None:
        """What is served now. Call it at the start too, so that a later version takes the place of the first."""
        for status in statuses:
            self._set_pack(status)

    def _set_pack(self, status: ServedStatus) -> None:
        pack, before = status.pack, self._versions.get(status.pack)
        self._content_refused.labels(pack).set(status.content_refused)
        if not status.version:
            return
        if before not in (None, status.version):
            self._content.labels(pack, before).set(0)
        self._versions[pack] = status.version
        self._content.labels(pack, status.version).set(1)
        self._shown.labels(pack).set(status.shown)
        for decision, is_off in status.off.items():
            self._off.labels(pack, decision).set(is_off)
        seen = self._rules_seen_off.setdefault(pack, set())
        seen |= set(status.rules_off)
        for topic in seen:
            self._rule_off.labels(pack, topic).set(topic in status.rules_off)
        for state in ReviewState:
            self._review.labels(pack, state).set(state is status.review)

    def set_drift(self, rules: Iterable[tuple[str, RuleDrift]]) -> None:
        """How often rules speak against what was expected, each with its pack. Of one that is no longer among them
        nothing is expected and nothing known.
        """
        now = {(pack, rule.service, rule.decision, rule.rule): rule for pack, rule in rules}
        gone = {key: RuleDrift(*key[1:], shown=0, expected=0, low=0, high=inf) for key in self._watched - now.keys()}
        self._watched |= now.keys()
        for key, rule in {**gone, **now}.items():
            self._expected.labels(*key).set(rule.expected)
            self._ratio.labels(*key, "low").set(rule.low)
            self._ratio.labels(*key, "high").set(rule.high)
            for drift in Drift:
                self._drift.labels(*key, drift).set(drift is rule.drift)

    def set_state(self, *, site_refused: bool, store_reachable: bool) -> None:
        """Whether the site's file was refused, and whether feedback would be kept."""
        self._site.set(site_refused)
        self._store.set(store_reachable)

    def text(self) -> bytes:
        """Every metric in the Prometheus text format."""
        if ValueClass.__name__ == "MmapedValue":  # several workers share a folder of values
            _drop_gauges_of_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)


def _drop_gauges_of_dead_workers(folder: Path) -> None:
    """Deletes the gauges that workers which no longer run have left in ``folder``; their counters stay."""
    for path in folder.glob("gauge_live*_*.db"):
        worker = int(path.stem.rpartition("_")[2])
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            mark_process_dead(worker)  # type: ignore[no-untyped-call]
        except PermissionError:  # alive, another user's
            continue
