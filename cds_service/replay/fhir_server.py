"""A FHIR server that holds the record of one patient at a time, for replays that prefetch nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from cds_service.replay.sessions import TIMEOUT_SECONDS, UnreachableError, no_answer, steady_session
from cds_service.vocabulary.json_text import encode

_FHIR = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
_GONE = (404, 410)


class LoadedServer:
    """The server at ``base``. What is loaded onto it is deleted before the next record is loaded, and by ``close``."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._session = steady_session()
        self._loaded: list[str] = []

    def reach(self) -> None:
        """Asks for the capabilities of the server, whatever it answers.

        Raises:
            UnreachableError: the server does not answer.
        """
        try:
            self._session.get(f"{self.base}/metadata", headers=_FHIR, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise UnreachableError(no_answer(error)) from None

    def load(self, record: Sequence[Mapping[str, Any]]) -> str:
        """Puts every resource of a record onto the server.

        Returns ``Type/id: status`` of the first resource that the server refuses, or ``Type/id`` and words if one of
        the record before is still there, ``""`` if all is well.

        Raises:
            requests.RequestException: the server does not answer.
        """
        if left := self.close():
            return f"{left[0]}, which could not be deleted"
        for resource in record:
            name = f"{resource['resourceType']}/{resource['id']}"
            self._loaded.append(name)  # it may have arrived although no answer came
            answer = self._session.put(
                f"{self.base}/{name}", data=encode(resource), headers=_FHIR, timeout=TIMEOUT_SECONDS
            )
            if not answer.ok:
                return f"{name}: {answer.status_code}"
        return ""

    def close(self) -> list[str]:
        """Deletes what was put onto the server.

        Returns ``Type/id`` of what could not be deleted. It is tried again the next time.
        """
        self._loaded = [name for name in reversed(self._loaded) if not self._is_deleted(name)][::-1]
        return self._loaded

    def _is_deleted(self, name: str) -> bool:
        try:
            answer = self._session.delete(f"{self.base}/{name}", timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            return False
        return answer.ok or answer.status_code in _GONE
