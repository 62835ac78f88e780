"""The registry of clients, ``clients.toml``: who may call, how each proves it, and what each is given (V-02)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cds_service.net.addresses import is_loopback_host
from cds_service.vocabulary.problems import Problem, ProblemsError
from cds_service.vocabulary.toml_file import line_of, read_toml

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

# First the two algorithms that CDS Hooks recommends, then others without a shared secret (SEC-09, SEC-10).
ALGORITHMS = ("ES384", "RS384", "ES256", "ES512", "RS256", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519")
# The end of the URL of discovery, of a service or of its feedback.
_OF_A_SERVICE = re.compile(r"/cds-services(?:/[^/]*){0,2}/*$")
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"


@dataclass(frozen=True, slots=True)
class Client:
    """One client as configured. While no clients are configured, whoever calls is a client with no name.

    - ``issuer`` is the ``iss`` of its tokens, ``profile`` the way it deviates from CDS Hooks (Z25).
    - ``jwks_url``, ``jwks_file`` and the URLs that ``jku`` permits are where its keys are.
    - ``base_urls`` are the base URLs of this service as this client calls them, without a closing slash.
      ``audiences`` are further values that ``aud`` may have.
    - ``tenants`` are those that its tokens may name, any if there are none. ``subject`` is the ``sub`` that they must
      have, ``""`` for any.
    - ``services`` are the ids of the services it may call, all if there are none.
    - ``fhir_servers`` may be called on its behalf with the token of a request, ``open_fhir_servers`` without one too.
      ``fhir_budget_ms`` are milliseconds for all FHIR calls of one of its requests together (Z88).
    - ``origins`` are where its browser clients are served from (Z26).
    - ``preference_list`` maps the name of an order template to this client's own Coding of the order (Z7).
    """

    name: str = ""
    issuer: str = ""
    profile: str = "2.0"
    jwks_url: str = ""
    jwks_file: Path | None = None
    jku: frozenset[str] = frozenset()
    base_urls: tuple[str, ...] = ()
    audiences: frozenset[str] = frozenset()
    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    tenants: frozenset[str] = frozenset()
    subject: str = ""
    services: frozenset[str] = frozenset()
    fhir_servers: tuple[str, ...] = ()
    open_fhir_servers: tuple[str, ...] = ()
    fhir_budget_ms: int = 1_500
    origins: frozenset[str] = frozenset()
    preference_list: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def may_call(self, service: str) -> bool:
        """Whether this client may call the service with this id."""
        return not self.services or service in self.services


@dataclass(frozen=True, slots=True)
class Clients:
    """All clients of the file at ``path``. ``private_hosts``, in lower case, may have private addresses."""

    path: Path
    clients: tuple[Client, ...]
    private_hosts: frozenset[str] = frozenset()

    def find(self, issuer: str, tenant: str | None) -> Client | None:
        """The client with this issuer that lists this tenant, else the one with this issuer that lists none.

        ``None`` if there is neither.
        """
        without_tenants = None
        for client in self.clients:
            if client.issuer == issuer:
                if tenant is not None and tenant in client.tenants:
                    return client
                if not client.tenants:
                    without_tenants = client
        return without_tenants

    def has_issuer(self, issuer: str) -> bool:
        """Whether any client has this issuer."""
        return any(client.issuer == issuer for client in self.clients)

    @property
    def origins(self) -> frozenset[str]:
        """Where the browser clients of all clients are served from (Z26)."""
        return frozenset(origin for client in self.clients for origin in client.origins)

    def summary(self) -> str:
        """Who may call, in one line, for the deployer."""
        return ", ".join(f"{client.name} ({client.issuer}, profile {client.profile})" for client in self.clients)

    def warnings(self, port: int) -> Iterator[str]:
        """Sentences that warn the deployer of a service on ``port`` at its start."""
        for client in self.clients:
            if client.issuer == SANDBOX_ISSUER:
                yield f"the private key of {client.name} is public ({SANDBOX_ISSUER}): for demonstrations only"
            calls = [urlsplit(url) for url in client.base_urls]
            others = [url.geturl() for url in calls if is_loopback_host(url.hostname or "") and url.port != port]
            if others and len(others) == len(calls):
                yield (
                    f"{client.name} calls {', '.join(others)} by its base-urls, and this service listens on port "
                    f"{port}: unless something in between passes the calls on, its tokens are refused for their aud"
                )

    def refuse_unknown(self, services: Collection[str], templates: Collection[str]) -> None:
        """Refuses ids of services and names of order templates that the content does not have.

        They are slips of the pen that would otherwise go unnoticed.

        Raises:
            ProblemsError: there are such names; with file and line of each.
        """
        problems = []
        for client in self.clients:
            for key, known, listed in (
                ("services", services, sorted(client.services)),
                ("preference-list", templates, sorted(client.preference_list)),
            ):
                problems += [
                    _problem(self.path, client.name, (key, name), f"the content has no {name!r}")
                    for name in listed
                    if name not in known
                ]
        if problems:
            raise ProblemsError(problems)


def read_clients(path: Path, default_profile: str = "2.0", default_budget_ms: int = 1_500) -> Clients:
    """Reads the registry; a client that names no profile has ``default_profile`` (Z25), and one that names no budget
    for FHIR calls has ``default_budget_ms`` (Z88).

    Raises:
        ProblemsError: the file cannot be read, is not TOML, breaks its schema or contradicts itself; with file and
            line of each problem.
    """
    data, _ = read_toml(path, "clients", _schema(), "CDS_SERVICE_CLIENTS")
    defaults = {"base-urls": data.get("base-urls", []), "profile": default_profile, "fhir-budget-ms": default_budget_ms}
    clients = [_client(path, name, defaults | entry) for name, entry in data["clients"].items()]
    problems = [*_base_problems(path, data)]
    problems += [_problem(path, name, words, text) for name, words, text in _problems(clients)]
    if problems:
        raise ProblemsError(problems)
    return Clients(path, tuple(clients), frozenset(host.lower() for host in data.get("private-hosts", ())))


def _problem(path: Path, client: str, words: tuple[str, ...], text: str) -> Problem:
    place = ("clients", client, *words)
    return Problem(path, line_of(path, place), "clients", f"{'/'.join(place)}: {text}")


def _client(path: Path, name: str, entry: Mapping[str, Any]) -> Client:
    return Client(
        name=name,
        issuer=entry["issuer"],
        profile=entry["profile"],
        jwks_url=entry.get("jwks-url", ""),
        jwks_file=path.parent / entry["jwks-file"] if "jwks-file" in entry else None,
        jku=frozenset(entry.get("jku", ())),
        base_urls=tuple(url.rstrip("/") for url in entry["base-urls"]),
        audiences=frozenset(entry.get("audiences", ())),
        algorithms=frozenset(entry.get("algorithms", ALGORITHMS)),
        tenants=frozenset(entry.get("tenants", ())),
        subject=entry.get("subject", ""),
        services=frozenset(entry.get("services", ())),
        fhir_servers=tuple(entry.get("fhir-servers", ())),
        open_fhir_servers=tuple(entry.get("open-fhir-servers", ())),
        fhir_budget_ms=entry["fhir-budget-ms"],
        origins=frozenset(entry.get("origins", ())),
        preference_list=entry.get("preference-list", {}),
    )


def _base_problems(path: Path, data: Mapping[str, Any]) -> Iterator[Problem]:
    """The base URLs that are URLs of services: no token would name them with the path of a service behind (SEC-07)."""
    listed: dict[tuple[str, ...], Sequence[str]] = {("base-urls",): data.get("base-urls", ())}
    listed |= {("clients", name, "base-urls"): entry.get("base-urls", ()) for name, entry in data["clients"].items()}
    for place, urls in listed.items():
        for url in urls:
            base = _OF_A_SERVICE.sub("", url)
            if base != url:
                text = f"{url} is the URL of a service; a base URL is what stands before /cds-services: {base}"
                yield Problem(path, line_of(path, (*place, url)), "clients", f"{'/'.join(place)}: {text}")


def _problems(clients: Iterable[Client]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What a schema cannot find: name of the client, keys that lead to the place, and the problem."""
    taken: dict[tuple[str, str], str] = {}  # the client of each issuer and tenant
    for client in clients:
        for tenant in sorted(client.tenants) or [""]:
            other = taken.setdefault((client.issuer, tenant), client.name)
            if other != client.name:
                yield client.name, ("issuer",), f"{other} has the same issuer, and not tenants of its own"
        if not client.base_urls and not client.audiences:
            yield client.name, (), "no base-urls: under which URLs does it call this service?"
        if not client.jwks_url and client.jwks_file is None and not client.jku:
            yield client.name, (), "no keys: one of jwks-url, jwks-file and jku is needed"
        if client.jwks_url and client.jwks_file is not None:
            yield client.name, ("jwks-file",), "beside a jwks-url; which of the two?"
        for key, urls in (("jwks-url", {client.jwks_url} - {""}), ("jku", client.jku)):
            for url in sorted(urls):
                if not url.startswith("https://") and not is_loopback_host(urlsplit(url).hostname or ""):
                    yield client.name, (key,), "key sets are fetched over https, except from this machine"
        if client.jwks_file is not None:
            try:
                if not isinstance(json.loads(client.jwks_file.read_bytes())["keys"], list):
                    raise ValueError
            except OSError as error:
                yield client.name, ("jwks-file",), f"{client.jwks_file}: {error.strerror}"
            except (ValueError, KeyError, TypeError, RecursionError):
                yield client.name, ("jwks-file",), f"{client.jwks_file} is not a JWK set"


@cache
def _schema() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    text = files("cds_service.trust").joinpath("schemas", "clients.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))
