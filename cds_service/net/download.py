"""Downloads one small document, such as a key set, over a guarded connection."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from cds_service.net.addresses import Reach
from cds_service.net.bounded_answer import TooLargeError, bounded_answer
from cds_service.net.connections import POOLS, USER_AGENT, OutboundCall, OutOfTimeError
from cds_service.net.servers import NotAllowedError

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": USER_AGENT,
}


class DownloadError(Exception):
    """The document could not be had. The message says why and holds nothing of what the server sent."""


def download(url: str, *, reach: Reach, seconds: float, max_bytes: int) -> bytes:
    """The document at ``url``, an http or https URL, whatever media type it has.

    It is asked for once. TLS servers need a certificate that the operating system trusts. ``seconds`` begin when the
    name of the server has been resolved, since a look-up can be neither hurried nor ended.

    Raises:
        DownloadError: there is no document, it has more than ``max_bytes``, it took longer than ``seconds``, or its
            server must not be called.
    """
    try:
        with (
            _call_within(seconds, reach) as call,
            _open_session() as session,
            session.get(url, timeout=seconds, stream=True, allow_redirects=False) as response,
        ):
            answer = bounded_answer(response.raw, call, max_bytes=max_bytes)
            call.seconds_left()  # a call that was shut down may look like one that ended
    except NotAllowedError:
        raise DownloadError("its name stands for an address that may not be called") from None
    except TooLargeError:
        raise DownloadError("its answer is too large") from None
    except OutOfTimeError:
        raise DownloadError("no answer in time") from None
    except (OSError, HTTPError, ValueError) as error:
        too_late = call.abandoned or isinstance(error, requests.Timeout)
        raise DownloadError("no answer in time" if too_late else f"no answer: {_kind_of(error)}") from None
    if answer.status != HTTPStatus.OK or answer.body is None:
        raise DownloadError(f"it answered {answer.status}")
    return answer.body


@contextlib.contextmanager
def _call_within(seconds: float, reach: Reach) -> Iterator[OutboundCall]:
    """A call, entered, that a timer abandons so many seconds after the name of its server has been resolved."""

    def start_time(call: OutboundCall) -> None:
        call.deadline = time.monotonic() + seconds
        timer.start()

    call = OutboundCall(reach, math.inf, on_resolved=start_time)
    timer = threading.Timer(seconds, call.abandon)
    timer.daemon = True
    try:
        with call:
            yield call
    finally:
        timer.cancel()


def _kind_of(error: BaseException) -> str:
    """The name of the error at the root, such as ``ConnectionRefusedError``: what requests wraps it in says less."""
    while True:
        causes = (getattr(error, "reason", None), *error.args, error.__cause__)
        cause = next((cause for cause in causes if isinstance(cause, BaseException)), None)
        if cause is None:
            return type(error).__name__
        error = cause


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = dict(POOLS)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Names no file of certificates, unlike requests: urllib3 then trusts those of the operating system."""
        conn.cert_reqs = "CERT_REQUIRED"


class _SessionWithoutRedirects(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never follows a redirect, and does not read its body: requests would read it all, however long it is."""


def _open_session() -> requests.Session:
    """A session that uses no proxy, cookie or ``.netrc`` and nothing else of the environment, follows no redirect, and
    verifies the certificate of every TLS server.
    """
    session = _SessionWithoutRedirects()
    session.trust_env = False
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = _GuardedAdapter(pool_connections=1, pool_maxsize=1, max_retries=Retry(0, read=False))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
