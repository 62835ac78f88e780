"""The routes for those who run the service: whether it lives, whether it is ready, its metrics, its description."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response

from cds_service import __version__
from cds_service.protocol.openapi import openapi
from cds_service.service.drift_watch import DriftWatch
from cds_service.service.errors import RETRY_AFTER_SECONDS
from cds_service.service.metrics import Metrics
from cds_service.service.served_content import ServedContent
from cds_service.service.start import PackState
from cds_service.store.store import Store
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class OperationRoutes:
    """The routes and what they need.

    ``authenticated`` says whether only configured clients may call services, ``open_discovery`` whether discovery
    answers anybody even then.
    """

    content: ServedContent
    store: Store
    metrics: Metrics
    drift: DriftWatch
    authenticated: bool
    open_discovery: bool

    def register(self, app: Flask) -> None:
        """Adds the routes to ``app``; the endpoint of each has the name of its method."""
        app.get("/metrics")(self.measured)
        app.get("/openapi.json")(self.describe)
        app.get("/healthz")(self.alive)
        app.get("/readyz")(self.ready)

    def measured(self) -> Response:
        """Every metric in the Prometheus text format; those that are states are brought up to date first."""
        self.content.now()
        self.metrics.set_content(self.content.statuses())
        reachable = self.store.reachable()
        self.metrics.set_state(site_refused=bool(self.content.site_problem), store_reachable=reachable)
        if reachable:
            self.metrics.set_drift(self.drift.rules())
        return Response(self.metrics.text(), content_type=self.metrics.CONTENT_TYPE)

    def describe(self) -> Response:
        """The OpenAPI document of this service with the services that its content has."""
        document = openapi(
            __version__,
            self.content.now().listed,
            authenticated=self.authenticated,
            open_discovery=self.open_discovery,
        )
        return Response(encode(document), mimetype="application/json")

    def alive(self) -> Response:
        """Answers whenever the process can answer at all."""
        return Response(b'{"status":"alive"}', mimetype="application/json")

    def ready(self) -> Response:
        """What is served, and whether feedback would be kept; status 503 if it would not.

        ``content`` is the first pack that is served, ``packs`` are all of the settings.
        """
        served = self.content.now()
        packs = self.content.packs()
        first = next(state for state in packs if state.served is not None)
        reachable = self.store.reachable()
        state: dict[str, Any] = {
            "status": "ready" if reachable else "not ready: the store cannot be reached",
            "content": _content(first),
            "packs": [_content(state) for state in packs],
            "site": {
                "digest": next((one.pack.site_digest for one in served.packs), ""),
                "off": [name for one in served.packs for name in one.off],
                "rules-off": [topic for one in served.packs for topic in one.rules_off],
                "problem": self.content.site_problem,
            },
            "store": {"reachable": reachable},
        }
        response = Response(encode(state), status=200 if reachable else 503, mimetype="application/json")
        if not reachable:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def _content(state: PackState) -> dict[str, Any]:
    """What is served of one pack, and why its present content is not in use, if it is not."""
    if state.served is None:
        return {"id": state.id, "served": False, "problem": state.problem}
    pack, review = state.served.pack, state.served.prepared.standing(datetime.now(UTC))
    return {
        "id": pack.id,
        "served": True,
        "version": pack.version,
        "reviewed": review.is_current,
        "review": {"state": review.state, "next-review": str(review.until) if review.until else ""},
        "shown": state.served.prepared.shown,
        "problem": state.problem,
    }
