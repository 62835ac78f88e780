"""What the record of the form's patient has already: the newest result of each field, and its unit there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

from cds_service.chart.record import Chart
from cds_service.console.form import Choices, OnRecord
from cds_service.console.form_request import record_of
from cds_service.console.patient import newest_result
from cds_service.console.shown_units import unit_shown
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.explanation import results_of
from cds_service.protocol.envelope import decode_request
from cds_service.protocol.faults import Fault
from cds_service.replay.scenario import Scenario
from cds_service.vocabulary.json_text import encode


def with_record(choices: Choices, prepared: Prepared, patient: str, fixtures: Path) -> Choices:
    """The choices with what is on record of ``patient``, one of them; of any other name nothing is on record."""
    if patient not in choices.patients:
        return choices
    return replace(choices, recorded=dict(_recorded(prepared, choices, record_of(choices, patient, fixtures))))


def _recorded(prepared: Prepared, choices: Choices, record: Scenario) -> Iterator[tuple[str, OnRecord]]:
    """The newest result of each field; none of a record that no service can read."""
    services = list(prepared.pack.services.values())
    templates: Mapping[str, str] = dict(
        chain.from_iterable(templates_of(prepared.pack, each).items() for each in services)
    )
    try:
        request = decode_request(encode(record.request(templates)), record.hook, prepared.pack.relevant)
    except Fault:
        return
    chart = Chart(request.patient_id, request.prefetch, record.now, prepared.zone)
    decisions = chain.from_iterable(service.decisions for service in services)
    for series in results_of(prepared.pack, decisions, chart):
        if (result := choices.results.get(series["fact"])) is None:
            continue
        newest, shown = series["results"][-1], unit_shown(result.fact.analyte, series)
        value = newest.get("low", newest.get("high"))
        unit = shown.code if shown.code in result.units else result.canonical
        yield series["fact"], OnRecord(newest_result(prepared, series, record.now), unit, value)
