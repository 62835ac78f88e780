"""``cds-service report``."""

from __future__ import annotations

import json
from datetime import datetime

import click
import msgspec

from cds_service.commands.common import Moment, open_store
from cds_service.commands.report_text import as_text
from cds_service.settings import Settings
from cds_service.store.database import StoreDown


@click.command()
@click.option("--since", type=Moment(), help="Only what came since then.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def report(since: datetime | None, form: str) -> None:
    """Show what became of the cards: acceptance and reasons of overrides, per rule and content version.

    Example: cds-service report --since 2026-11-01
    """
    store = open_store(Settings())
    try:
        told = store.report(since)
    except StoreDown as error:
        raise click.ClickException(f"{store.where} cannot be read: {error}") from None
    finally:
        store.close()
    click.echo(json.dumps(msgspec.to_builtins(told), indent=2) if form == "json" else as_text(told, store.where))
