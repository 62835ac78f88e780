"""What several commands need: times as arguments, and content and store whose faults are messages of the command."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from cds_service.content.load import load_pack
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.settings import Settings, SettingsError, read_settings
from cds_service.vocabulary.problems import ProblemsError

if TYPE_CHECKING:
    from cds_service.store.store import Store


# Signs that a terminal obeys or that turn what is read: C0 but for tab and line feed, DEL and C1 (ECMA-48), marks
# of direction (UAX 9), other separators of lines; and halves of characters, which cannot be written at all.
_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text that may hold words from outside, without what a terminal would obey."""
    return _OBEYED.sub("", text)


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints what a command has to say. Every command prints with this: feedback, requests and files are of others."""
    click.echo(printable(str(text)), err=err, nl=nl)


class TimeArgument(click.ParamType[datetime]):
    """An argument that is a point in time, as ISO 8601; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an ISO 8601 time", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def settings_of_environment() -> Settings:
    """The settings of the environment.

    Raises:
        UsageError: a variable is no setting or cannot be used (Z83).
    """
    try:
        return read_settings()
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def load(cards: Path) -> Pack:
    """The content of a folder with the site's overlay.

    Raises:
        ClickException: it cannot be used; every problem with file and line.
    """
    try:
        return load_pack(cards, read_site(settings_of_environment().site))
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None


def open_store(settings: Settings) -> Store:
    """The store of the settings, its tables brought up to date.

    Raises:
        UsageError: the URL is not the URL of a database.
    """
    from cds_service.store.store import Store

    try:
        return Store(settings.store, settings.uuid_key())
    except ValueError as error:
        raise click.UsageError(f"CDS_SERVICE_STORE: {error}") from None


def prepared_content(cards: Path | None, key: bytes = b"") -> Prepared:
    """The content in ``cards``, or in the folder of the settings, made ready to answer with.

    ``key`` makes the uuids of its cards; without it the key of the settings does, or else a random one.

    Raises:
        ClickException: it cannot be used; every problem with file and line.
    """
    settings = settings_of_environment()
    pack = load(cards or settings.cards)
    key = key or settings.uuid_key() or secrets.token_bytes(32)
    return Prepared.of(pack, zone=ZoneInfo(settings.time_zone), key=key)
