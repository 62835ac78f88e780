"""The registry of clients, ``clients.toml``: who may call, how each proves it, and what each is given (V-02).

Imports this room and the reader of TOML files.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
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

# The two that the specification recommends, then the others that need no shared secret (SEC-09, SEC-10).
ALGORITHMS = ("ES384", "RS384", "ES256", "ES512", "RS256", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519")
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"


@dataclass(frozen=True, slots=True)
class Client:
    """One client as configured. Anybody who may call while none is configured is a client without a name.

    ``base_urls`` are ours as this client calls them, without a closing slash, and ``audiences`` what else its tokens
    may be for. Without ``tenants`` any will do, without ``services`` it may call all. ``fhir_servers`` may be called
    for it with the token of the call, ``open_fhir_servers`` without one too. ``preference_list`` maps an order
    template to the client's own Coding of it (Z7).
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
    origins: frozenset[str] = frozenset()
    preference_list: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def may_call(self, service: str) -> bool:
        """Whether it is entitled to this service."""
        return not self.services or service in self.services


@dataclass(frozen=True, slots=True)
class Clients:
    """All clients of one file. ``private_hosts`` are hosts that we may call although their addresses are private."""

    path: Path
    clients: tuple[Client, ...]
    private_hosts: frozenset[str] = frozenset()

    def of(self, issuer: str, tenant: str | None) -> Client | None:
        """The client that a token of this issuer and tenant is of; one that names no tenant takes those left."""
        left = None
        for client in self.clients:
            if client.issuer == issuer:
                if tenant is not None and tenant in client.tenants:
                    return client
                if not client.tenants:
                    left = client
        return left

    def knows(self, issuer: str) -> bool:
        """Whether some client has this issuer."""
        return any(client.issuer == issuer for client in self.clients)

    @property
    def origins(self) -> frozenset[str]:
        """Where browser clients are served from (Z26)."""
        return frozenset(origin for client in self.clients for origin in client.origins)

    def told(self) -> str:
        """Who may call, in one line."""
        return ", ".join(f"{c.name} ({c.issuer}, profile {c.profile})" for c in self.clients)

    def warnings(self) -> Iterator[str]:
        """What a deployer should be told at the start."""
        for client in self.clients:
            if client.issuer == SANDBOX_ISSUER:
                yield f"the private key of {client.name} is public ({SANDBOX_ISSUER}): for demonstrations only"

    def refuse_unknown(self, services: Collection[str], templates: Collection[str]) -> None:
        """A service or an order template that the content does not have is a slip of the pen that would go unnoticed.

        Raises:
            ProblemsError: there is one; with file and line.
        """
        problems = []
        for client in self.clients:
            for key, known, named in (
                ("services", services, sorted(client.services)),
                ("preference-list", templates, sorted(client.preference_list)),
            ):
                problems += [
                    _problem(self.path, client.name, (key, name), f"the content has no {name!r}")
                    for name in named
                    if name not in known
                ]
        if problems:
            raise ProblemsError(problems)


def read_clients(path: Path, default_profile: str = "2.0") -> Clients:
    """The registry in a file; a client that names no profile has ``default_profile`` (Z25).

    Raises:
        ProblemsError: no such file, no TOML, not of its schema, or at odds with itself; with file and line.
    """
    data, _ = read_toml(path, "clients", _schema())
    shared = data.get("base-urls", [])
    clients = [_client(path, name, entry, shared, default_profile) for name, entry in data["clients"].items()]
    problems = [_problem(path, name, words, text) for name, words, text in _problems(clients)]
    if problems:
        raise ProblemsError(problems)
    return Clients(path, tuple(clients), frozenset(host.lower() for host in data.get("private-hosts", ())))


def _problem(path: Path, client: str, words: tuple[str, ...], text: str) -> Problem:
    place = ("clients", client, *words)
    return Problem(path, line_of(path, place), "clients", f"{'/'.join(place)}: {text}")


def _client(path: Path, name: str, entry: Mapping[str, Any], shared: list[str], default_profile: str) -> Client:
    return Client(
        name=name,
        issuer=entry["issuer"],
        profile=entry.get("profile", default_profile),
        jwks_url=entry.get("jwks-url", ""),
        jwks_file=path.parent / entry["jwks-file"] if "jwks-file" in entry else None,
        jku=frozenset(entry.get("jku", ())),
        base_urls=tuple(url.rstrip("/") for url in entry.get("base-urls", shared)),
        audiences=frozenset(entry.get("audiences", ())),
        algorithms=frozenset(entry.get("algorithms", ALGORITHMS)),
        tenants=frozenset(entry.get("tenants", ())),
        subject=entry.get("subject", ""),
        services=frozenset(entry.get("services", ())),
        fhir_servers=tuple(entry.get("fhir-servers", ())),
        open_fhir_servers=tuple(entry.get("open-fhir-servers", ())),
        origins=frozenset(entry.get("origins", ())),
        preference_list=entry.get("preference-list", {}),
    )


def _problems(clients: Iterable[Client]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """What no schema can say: client, place, problem."""
    taken: dict[tuple[str, str], str] = {}
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
