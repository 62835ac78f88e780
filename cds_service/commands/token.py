"""``cds-service token``."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cds_service.commands.common import UrlArgument, WrongUseError, say, settings_of_environment
from cds_service.commands.packs import pack_places
from cds_service.content.packs import service_ids
from cds_service.replay.input_files import FileError, read_json
from cds_service.settings import Settings
from cds_service.vocabulary.problems import ProblemsError

if TYPE_CHECKING:
    from cds_service.trust.clients import Client

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # what clients.toml takes
_DEFAULT_URL = "http://127.0.0.1:8080"


@click.command()
@click.option("--client", "name", default="test-client", show_default=True, help="Name of the client in clients.toml.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its key is kept; beside clients.toml if not said.",
)
@click.option(
    "--url",
    type=UrlArgument(),
    help="Base URL of the service as the client calls it. If not said, the first of its base-urls in clients.toml, "
    f"the only ones that the service takes; {_DEFAULT_URL} while the client is not there.",
)
@click.option("--audience", "audiences", multiple=True, help="URL that the token is for, instead of all services.")
@click.option("--issuer", help="Who issues the token (iss), if not as clients.toml says.")
@click.option("--seconds", type=click.IntRange(1), default=300, show_default=True, help="How long the token is valid.")
@click.option("--entry", "is_entry", is_flag=True, help="Print the lines of clients.toml for the client, and no token.")
def token(
    name: str,
    folder: Path | None,
    url: str | None,
    audiences: tuple[str, ...],
    issuer: str | None,
    seconds: int,
    is_entry: bool,
) -> None:
    """Print a signed token of a test client. Its key is made when it is first needed, and readable by you alone. If
    clients.toml does not have the client yet, the lines for it are shown. One token serves one call and its retries.

    Example: curl -H "Authorization: Bearer $(cds-service token)" -H 'Content-Type: application/json' -d @request.json
    http://127.0.0.1:8080/cds-services/vitamin-b12-order-select
    """
    from cds_service.trust.client_keys import ALGORITHM, entry_of, public_set, signed_token

    if not _NAME.fullmatch(name):
        raise WrongUseError(f"{name!r} is no name of a client: letters, digits, - and _, at most 64 of them")
    settings = settings_of_environment()
    if seconds > settings.token_life_seconds:
        most = f"{settings.token_life_seconds:g}"
        raise WrongUseError(f"The service takes no token of more than {most} seconds (CDS_SERVICE_TOKEN_LIFE_SECONDS)")
    client = _registered(settings, name)
    if client is not None and is_entry:
        raise WrongUseError(f"{settings.clients} has the client {name} already")
    if client is not None and ALGORITHM not in client.algorithms:
        raise WrongUseError(f"The client {name} may not sign with {ALGORITHM}, and this command signs with no other")
    beside = settings.clients.parent if settings.clients is not None else settings.state / "clients"
    folder = (folder or beside).absolute()
    key_file, set_file = folder / f"{name}.private.jwk.json", folder / f"{name}.jwks.json"
    is_new = not key_file.exists()
    private = _key_in(key_file)
    try:
        public = public_set(private)
    except ValueError as error:
        raise WrongUseError(f"{key_file}: {error}; delete it to have another one made") from None
    if is_new or not set_file.exists():
        set_file.write_text(json.dumps(public, indent=2) + "\n", encoding="utf-8")
    base = (url or (client.base_urls[0] if client and client.base_urls else _DEFAULT_URL)).rstrip("/")
    issuer = issuer or (client.issuer if client else f"https://{name}.example")
    if client is None:
        entry = entry_of(name, issuer, base, _as_written(set_file, settings.clients))
        if is_entry:
            say(f"\n{entry}" if _has_text(settings.clients) else entry)
            return
        _tell_entry(settings, name, entry)
    elif client.jwks_file is None or client.jwks_file.absolute() != set_file:
        keys = client.jwks_file or client.jwks_url or ", ".join(sorted(client.jku))
        say(
            f"clients.toml has the keys of {name} in {keys}, and not in {set_file}: put the public key there.", err=True
        )
    if client is not None and url is not None and base not in client.base_urls and not audiences:
        say(
            f"clients.toml does not have {base} in base-urls of {name}, so the service refuses this token: correct it "
            "there, and start the service again.",
            err=True,
        )
    claims: dict[str, Any] = {"iss": issuer, "aud": list(audiences) or _urls(base)}
    claims |= {"sub": client.subject} if client and client.subject else {}
    claims |= {"tenant": min(client.tenants)} if client and client.tenants else {}
    say(signed_token(private, claims, int(time.time()), seconds))


def _registered(settings: Settings, name: str) -> Client | None:
    """The client of this name in ``clients.toml``; ``None`` if that has none, is empty, or is not there yet.

    Raises:
        ClickException: the file cannot be used; every problem with file and line.
    """
    from cds_service.trust.clients import read_clients

    if settings.clients is None or not _has_text(settings.clients):
        return None
    try:
        clients = read_clients(settings.clients, settings.default_profile, settings.fhir_budget_ms)
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None
    return next((client for client in clients.clients if client.name == name), None)


def _has_text(file: Path | None) -> bool:
    """Whether the file is there and not empty, as ``>>`` leaves it until a command has printed something."""
    return file is not None and file.exists() and file.stat().st_size > 0


def _key_in(file: Path) -> dict[str, Any]:
    """The private key in a file, which is made if it is not there, for its owner alone."""
    from cds_service.trust.client_keys import new_key

    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
            json.dump(new_key(), made, indent=2)
        say(f"A private key was made, for tests only: {file}", err=True)
    try:
        key = read_json(file)
    except FileError as error:
        raise WrongUseError(f"{error}; delete it to have another one made") from None
    return key if isinstance(key, dict) else {}


def _urls(base: str) -> list[str]:
    """The URLs of discovery and of all services, because a token must name the very URL that is called (SEC-07)."""
    services = [name for folder in pack_places() for name in service_ids(folder)]
    return [f"{base}/cds-services", *(f"{base}/cds-services/{name}" for name in services)]


def _as_written(set_file: Path, clients: Path | None) -> str:
    """``jwks-file`` as it is written in ``clients.toml``: by its name alone where it lies beside that."""
    return set_file.name if clients is not None and clients.absolute().parent == set_file.parent else str(set_file)


def _tell_entry(settings: Settings, name: str, entry: str) -> None:
    if settings.clients is None:
        where = (
            "CDS_SERVICE_CLIENTS is not set here, and a service that knows other keys refuses this token: set it as "
            "there. If no service has clients yet, put these lines into a file, name it in CDS_SERVICE_CLIENTS"
        )
    elif not settings.clients.exists():
        where = f"{settings.clients} is not there yet. Put these lines into it"
    else:
        where = f"{settings.clients} has no client {name}. Put these lines into it"
    say(f"{where}, and start the service again:\n\n{entry}\n", err=True)
