"""``cds-service sample``."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches

import click
import msgspec

from cds_service.commands.common import load, say, settings_of_environment
from cds_service.content.needs import templates_of
from cds_service.packaged import packaged
from cds_service.replay.scenarios import SAMPLE, read_scenarios
from cds_service.vocabulary.json_text import encode


@click.command()
@click.argument("scenario", default=SAMPLE)
def sample(scenario: str) -> None:
    """Print a hook request that is right today, for curl.

    Example: cds-service sample | curl -s -H 'Content-Type: application/json' -d @-
    http://127.0.0.1:8080/cds-services/vitamin-b12-order-select
    """
    scenarios = {known.name: known for known in read_scenarios(packaged("fixtures"))}
    chosen = scenarios.get(scenario)
    if chosen is None:
        near = get_close_matches(scenario, scenarios, n=5, cutoff=0)
        raise click.UsageError(f"no scenario {scenario!r}; of {len(scenarios)} the nearest are: {', '.join(near)}")
    pack = load(settings_of_environment().cards)
    service = pack.service_for(chosen.hook)
    if service is None:
        raise click.ClickException(f"no service answers {chosen.hook}")
    request = chosen.request(templates_of(pack, service), datetime.now(UTC))
    say(msgspec.json.format(encode(request), indent=2).decode())
