"""The URLs that ask for a FHIR search, and the pages of results that come back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

import msgspec

from cds_service.net.servers import NotAllowedError, Server
from cds_service.vocabulary.declarations import Search

_PATIENT_TOKEN = "{{context.patientId}}"  # noqa: S105
_TOKEN = re.compile(r"\{\{.*?\}\}")
# Characters with a meaning in FHIR search values (https://hl7.org/fhir/R4/search.html#escaping).
_SEARCH_SIGNS = re.compile(r"([\\,$|])")
_UNQUOTED = ",:/"
_MOST_TEMPLATES = 256  # that are kept in parts; the packs of a process have a dozen or two each


class NotFhirError(Exception):
    """An answer that is not the FHIR resource asked for, or a search that cannot be written as a URL."""


class _PageLink(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _ResourceOrBundle(msgspec.Struct):
    """What is read of an answer; the entries stay undecoded."""

    resourceType: str
    entry: list[msgspec.Raw] | None = None
    link: list[_PageLink] | None = None


class _CapabilityStatement(msgspec.Struct):
    resourceType: str
    fhirVersion: str


_decoder = msgspec.json.Decoder(_ResourceOrBundle)
_capability_decoder = msgspec.json.Decoder(_CapabilityStatement)


def search_url(server: Server, search: Search, patient_id: str, *, include: bool = False) -> str:
    """The URL that asks ``server`` for what the prefetch template of ``search`` asks of a client (PF-20).

    With ``include`` it asks the server to send along what the resources refer to, which a template does not (Z55).

    Raises:
        NotFhirError: the template has a token other than the patient's id, or the id would lead to another path.
    """
    path, query = _constants(search.template)
    if patient_id in (".", ".."):
        raise NotFhirError
    url = f"{server.base}/{quote(patient_id, safe='').join(path)}"
    if query:
        url += "?" + quote(_SEARCH_SIGNS.sub(r"\\\1", patient_id), safe="").join(query)
    if include and search.include:
        url += f"{'&' if query else '?'}_include={quote(search.include, safe=_UNQUOTED)}"
    return url


@lru_cache(maxsize=_MOST_TEMPLATES)
def _constants(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands around the places of the patient's id, as a URL has it: in the path of a template, and in its query.

    Raises:
        NotFhirError: the template has another token.
    """
    if any(token != _PATIENT_TOKEN for token in _TOKEN.findall(template)):
        raise NotFhirError
    path, _, query = template.partition("?")
    parameters = []
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        quoted = _PATIENT_TOKEN.join(quote(part, safe=_UNQUOTED) for part in value.split(_PATIENT_TOKEN))
        parameters.append(f"{name}={quoted}")
    filled = "&".join(parameters).split(_PATIENT_TOKEN) if parameters else ()
    return tuple(path.split(_PATIENT_TOKEN)), tuple(filled)


@dataclass(frozen=True, slots=True)
class _PageRead:
    body: bytes
    entries: list[msgspec.Raw]
    has_next: bool


def is_capability_statement(body: bytes) -> bool:
    """Whether JSON is a CapabilityStatement that names the version of FHIR."""
    try:
        said = _capability_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return said.resourceType == "CapabilityStatement" and bool(said.fhirVersion)


class SearchPages:
    """The pages of one search that have come so far. One thread may read them while another adds to them."""

    def __init__(self) -> None:
        self._read: tuple[_PageRead, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all pages."""
        return sum(len(page.body) for page in self._read)

    @property
    def number(self) -> int:
        """How many pages have come."""
        return len(self._read)

    def add(self, body: bytes, server: Server, asked_url: str) -> str:
        """Adds the answer to ``asked_url`` and returns the URL of the next page.

        That URL is ``""`` if there is no next page, or if its link leads elsewhere than below the base of ``server``
        (PF-25, T-14).

        Raises:
            NotFhirError: the body is not a FHIR resource in JSON, or a page after the first is not a Bundle.
        """
        try:
            body.decode("utf-8")
            page = _decoder.decode(body)
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            raise NotFhirError from None
        if self._read and page.resourceType != "Bundle":
            raise NotFhirError
        next_links = [link.url for link in page.link or () if link.relation == "next"]
        self._read += (_PageRead(body, page.entry or [], bool(next_links)),)
        try:
            return server.next_page_url(next_links[0], asked_url) if next_links and next_links[0] else ""
        except NotAllowedError:
            return ""

    def raw(self) -> msgspec.Raw | None:
        """The JSON of a single resource or page as it came, or of one Bundle with the entries of all pages.

        It is ``None`` before the first page. If pages are missing the Bundle keeps a ``next`` link, so that nobody
        takes it for the whole result (T-14).
        """
        read = self._read
        if len(read) < 2:
            return msgspec.Raw(read[0].body) if read else None
        link = [{"relation": "next"}] if read[-1].has_next else []
        entries = [entry for page in read for entry in page.entries]
        bundle = {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries}
        return msgspec.Raw(msgspec.json.encode(bundle))
