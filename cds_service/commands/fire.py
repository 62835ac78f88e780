"""``cds-service fire``."""

from __future__ import annotations

import json
import re
from typing import TextIO
from urllib.parse import urlsplit

import click

from cds_service.commands.card_text import cards_as_text
from cds_service.commands.common import UrlArgument, WrongUseError, number, say, settings_of_environment
from cds_service.commands.packs import pack_option, scenario_named
from cds_service.content.packs import service_ids
from cds_service.replay.run import against
from cds_service.replay.sessions import UnreachableError

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_TOKEN = 65_536
_SIGN_IN = "Send a token: cds-service token | cds-service fire --token-from -"


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
        raise click.ClickException(". ".join(filter(None, [str(error), _what_to_do(url, error.status)]))) from None
    if result.skipped:
        raise WrongUseError(f"{scenario} cannot be sent to a running service: {result.skipped}")
    if result.fault:
        status, _, why = result.fault.partition(": ")
        hint = f". {_SIGN_IN}" if status == "401" else ""
        raise click.ClickException(f"{scenario} was answered with {status} and no cards: {why}{hint}")
    if form == "json":
        say(json.dumps(result.cards, indent=2, ensure_ascii=False))
    else:
        say("\n".join([f"{scenario} at {url}: {number(len(result.cards), 'card')}", "", *cards_as_text(result.cards)]))


def _what_to_do(url: str, status: int) -> str:
    """What helps where the service at ``url`` cannot be used; ``status`` is that of its answer, 0 for none."""
    if status == 401:
        return _SIGN_IN
    port = urlsplit(url).port
    start = f"Start it there with: cds-service serve{f' --port {port}' if port else ''}. " if status == 0 else ""
    return f"{start}If it runs elsewhere, say where: cds-service fire --url http://127.0.0.1:PORT"


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
