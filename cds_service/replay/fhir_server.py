"""A FHIR server that holds the record of one patient at a time, for replays that prefetch nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from cds_service.vocabulary.json_text import encode

_TIMEOUT_SECONDS = 10.0
_FHIR = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


class LoadedServer:
    """The server at ``base``. What is loaded onto it is deleted before the next record is loaded, and by ``close``."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._session = requests.Session()
        self._loaded: list[str] = []

    def load(self, record: Sequence[Mapping[str, Any]]) -> str:
        """Puts every resource of a record onto the server.

        Returns ``Type/id: status`` of the first resource that the server refuses, ``""`` if it takes all.

        Raises:
            requests.RequestException: the server does not answer.
        """
        self.close()
        for resource in record:
            name = f"{resource['resourceType']}/{resource['id']}"
            answer = self._session.put(
                f"{self.base}/{name}", data=encode(resource), headers=_FHIR, timeout=_TIMEOUT_SECONDS
            )
            if not answer.ok:
                return f"{name}: {answer.status_code}"
            self._loaded.append(name)
        return ""

    def close(self) -> None:
        """Deletes what was put onto the server.

        Raises:
            requests.RequestException: the server does not answer.
        """
        while self._loaded:
            self._session.delete(f"{self.base}/{self._loaded.pop()}", timeout=_TIMEOUT_SECONDS)
