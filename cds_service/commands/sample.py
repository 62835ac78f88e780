"""``cds-service sample``."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from cds_service.commands.common import say
from cds_service.commands.packs import load, pack_option, scenario_named
from cds_service.content.needs import templates_of
from cds_service.vocabulary.json_text import encode


@click.command()
@click.argument("scenario", required=False)
@pack_option
def sample(scenario: str | None, pack_id: str | None) -> None:
    """Print a hook request that is right today, for curl. SCENARIO is a story and a case of it, as STORY/CASE; without
    it the sample that the pack names is printed.

    Example: cds-service sample | curl -s -H 'Content-Type: application/json' -d @-
    http://127.0.0.1:8080/cds-services/SERVICE
    """
    folder, chosen = scenario_named(scenario, pack_id)
    pack = load(folder)
    service = pack.service_for(chosen.hook)
    if service is None:
        raise click.ClickException(f"no service of this content answers {chosen.hook}")
    request = chosen.request(templates_of(pack, service), datetime.now(UTC))
    say(msgspec.json.format(encode(request), indent=2).decode())
