"""What a web server costs by itself, measured beside the service: ``python floors.py echo|raw PORT WORKERS``.

**echo** is Flask that decodes the body with orjson and answers a fixed card; **raw** is plain WSGI doing the same. Both
are served by Granian with the settings of ``cds-service serve``.
"""

from __future__ import annotations

import sys
from typing import Any

import orjson
from flask import Flask, Response, request

_CARD = {"summary": "A fixed card", "indicator": "info", "source": {"label": "floor"}}
_ANSWER = {"cards": [_CARD]}


def echo() -> Flask:
    """The floor that ratios are taken to."""
    app = Flask("echo", static_folder=None)

    @app.post("/cds-services/<service_id>")
    def answer(service_id: str) -> Response:
        orjson.loads(request.get_data(cache=False))
        return Response(orjson.dumps(_ANSWER), mimetype="application/json")

    return app


def raw() -> Any:
    """The floor below it: no framework."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        body = orjson.dumps(_ANSWER)
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    from cds_service.service.web_server import granian_settings

    name, port, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    wsgi = {"interface": Interfaces.WSGI, "blocking_threads": 4}
    Granian(f"floors:{name}", factory=True, **granian_settings("127.0.0.1", port, workers) | wsgi).serve()
