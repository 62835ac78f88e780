"""``cds-service sample``."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from cds_service.commands.common import load, say, scenario_named, settings_of_environment
from cds_service.content.needs import templates_of
from cds_service.replay.scenarios import SAMPLE
from cds_service.vocabulary.json_text import encode


@click.command()
@click.argument("scenario", default=SAMPLE)
def sample(scenario: str) -> None:
    """Print a hook request that is right today, for curl. SCENARIO is a name such as nasal/oneSpray.

    Example: cds-service sample | curl -s -H 'Content-Type: application/json' -d @-
    http://127.0.0.1:8080/cds-services/vitamin-b12-order-select
    """
    chosen = scenario_named(scenario)
    pack = load(settings_of_environment().cards)
    service = pack.service_for(chosen.hook)
    if service is None:
        raise click.ClickException(f"no service of this content answers {chosen.hook}")
    request = chosen.request(templates_of(pack, service), datetime.now(UTC))
    say(msgspec.json.format(encode(request), indent=2).decode())
