"""``cds-service fire``."""

from __future__ import annotations

import json
import re
from typing import TextIO
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from cds_service.commands.card_text import cards_as_text
from cds_service.commands.common import UrlArgument, WrongUseError, as_called, number, say, settings_of_environment
from cds_service.commands.packs import pack_option, scenario_named
from cds_service.content.packs import service_ids
from cds_service.replay.live import against
from cds_service.replay.sessions import UnreachableError

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_TOKEN = 65_536
_OPTIONS = {"pack_id": "--pack", "url": "--url", "form": "--format"}


@click.command()
@click.argument("scenario", required=False)
@pack_option
@click.option(
    "--url", type=UrlArgument(), default="http://127.0.0.1:8080", show_default=True, help="Base URL of the service."
)
@click.option("--token-from", "token_file", type=click.File("r"), help="File with a signed token; - is standard input.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def fire(scenario: str | None, pack_id: str | None, url: str, token_file: TextIO | None, form: str) -> None:
    """Send a sample to a running service, and print its cards as people read them. SCENARIO is a story and a case of
    it, as STORY/CASE; without it the sample that the pack names is sent. A service that anybody may call does not count
    these cards as shown.

    Example: cds-service token | cds-service fire --token-from -
    """
    settings_of_environment()  # none is needed, but one that is misspelt is told by every command (Z83)
    token = _token(token_file) if token_file is not None else ""
    folder, chosen = scenario_named(scenario, pack_id)
    scenario = chosen.name
    try:
        result = against(url, token=token, services=service_ids(folder))(chosen)
    except UnreachableError as error:
        raise click.ClickException(
            ". ".join(filter(None, [str(error), _what_to_do(url, error.status, token)]))
        ) from None
    if result.skipped:
        raise WrongUseError(f"{scenario} cannot be sent to a running service: {result.skipped}")
    if result.fault:
        status, _, why = result.fault.partition(": ")
        hint = f". {_sign_in(token)}" if status == "401" else ""
        raise click.ClickException(f"{scenario} was answered with {status} and no cards: {why}{hint}")
    if form == "json":
        say(json.dumps(result.cards, indent=2, ensure_ascii=False))
    else:
        say("\n".join([f"{scenario} at {url}: {number(len(result.cards), 'card')}", "", *cards_as_text(result.cards)]))


def _sign_in(token: str) -> str:
    """What helps where the service wants a token, or another one than ``token``."""
    if token:
        return "The token was refused; the log of the service says why"
    return f"Send a token: {as_called('token')} | {as_called('fire', *_typed(), '--token-from', '-')}"


def _typed(*left_out: str) -> list[str]:
    """The arguments of this call as they were typed, without those parameters."""
    context = click.get_current_context()
    typed = [
        name
        for name in ("scenario", *_OPTIONS)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in left_out
    ]
    return [word for name in typed for word in (_OPTIONS.get(name), context.params[name]) if word]


def _what_to_do(url: str, status: int, token: str) -> str:
    """What helps where the service at ``url`` cannot be used; ``status`` is that of its answer, 0 for none."""
    if status == 401:
        return _sign_in(token)
    port = urlsplit(url).port
    serve = as_called("serve", *(["--port", str(port)] if port else []))
    start = f"Start it there with: {serve}. " if status == 0 else ""
    fire_there = as_called("fire", *_typed("url"), "--url", "http://127.0.0.1:PORT")
    return f"{start}If it runs elsewhere, say where: {fire_there}"


def _token(file: TextIO) -> str:
    """The token in a file.

    Raises:
        WrongUseError: there is none in it.
    """
    try:
        text = file.read(_LONGEST_TOKEN).strip()
    except UnicodeDecodeError:
        text = ""
    if not _TOKEN.fullmatch(text):
        raise WrongUseError(
            f"{file.name} holds no signed token: three parts with dots between, as cds-service token prints"
        )
    return text
