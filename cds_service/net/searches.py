"""The pages of one search, and the URLs that ask for them. Imports the shared vocabulary and this room."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from cds_service.net.servers import NotAllowedError, Server
from cds_service.vocabulary.declarations import Search

_PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105
_TOKEN = re.compile(r"\{\{.*?\}\}")
# Characters with a meaning in FHIR search values (https://hl7.org/fhir/R4/search.html#escaping).
_SEARCH_SIGNS = re.compile(r"([\\,$|])")
_UNQUOTED = ",:/"


class NotFhirError(Exception):
    """An answer that is not what was asked for."""


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Page(msgspec.Struct):
    resourceType: str
    entry: list[msgspec.Raw] | None = None
    link: list[_Link] | None = None


_page = msgspec.json.Decoder(_Page)


def url_of(server: Server, search: Search, patient_id: str) -> str:
    """The URL that asks ``server`` what the template of ``search`` asks of a client (PF-20).

    Raises:
        NotFhirError: it cannot be asked for this patient.
    """
    if any(token != _PATIENT_TOKEN for token in _TOKEN.findall(search.template)):
        raise NotFhirError  # a token that is not known here
    if patient_id in (".", ".."):
        raise NotFhirError  # would be another path
    path, _, query = search.template.partition("?")
    url = f"{server.base}/" + path.replace(_PATIENT_TOKEN, quote(patient_id, safe=""))
    escaped = _SEARCH_SIGNS.sub(r"\\\1", patient_id)
    parameters = []
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        filled = quote(escaped, safe="").join(quote(part, safe=_UNQUOTED) for part in value.split(_PATIENT_TOKEN))
        parameters.append(f"{name}={filled}")
    return url + ("?" + "&".join(parameters) if parameters else "")


@dataclass(frozen=True, slots=True)
class _Read:
    body: bytes
    entries: list[msgspec.Raw]
    more: bool


class Pages:
    """What a search brought so far; read by one thread while another adds to it."""

    def __init__(self) -> None:
        self._read: tuple[_Read, ...] = ()

    @property
    def size(self) -> int:
        """Bytes read."""
        return sum(len(page.body) for page in self._read)

    @property
    def number(self) -> int:
        """How many were read."""
        return len(self._read)

    def add(self, body: bytes, server: Server, asked: str) -> str:
        """Takes in the answer to ``asked``; gives the URL of the next page, ``""`` if there is none to be asked for.

        Raises:
            NotFhirError: it is not FHIR.
        """
        try:
            body.decode("utf-8")
            page = _page.decode(body)
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            raise NotFhirError from None
        if self._read and page.resourceType != "Bundle":
            raise NotFhirError
        following = [link.url for link in page.link or () if link.relation == "next"]
        self._read += (_Read(body, page.entry or [], bool(following)),)
        try:
            return server.page(following[0], asked) if following and following[0] else ""
        except NotAllowedError:
            return ""

    def raw(self) -> msgspec.Raw | None:
        """The one resource or page as it came, or one Bundle of the entries of all; ``None`` before the first.

        A Bundle keeps a ``next`` link if there is more, so that nobody takes it for all (T-14).
        """
        read = self._read
        if len(read) < 2:
            return msgspec.Raw(read[0].body) if read else None
        link = [{"relation": "next"}] if read[-1].more else []
        entries = [entry for page in read for entry in page.entries]
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries}
        return msgspec.Raw(msgspec.json.encode(bundle))
