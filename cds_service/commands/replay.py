"""``cds-service replay``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import click
import requests

from cds_service.commands.common import TimeArgument, prepared_content, say
from cds_service.content.prepared import Prepared
from cds_service.packaged import packaged
from cds_service.replay.cases import at, read_cases
from cds_service.replay.fhir_server import LoadedServer
from cds_service.replay.run import ReplayResult, against, in_process

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MANY = 200  # more cases than these take over two seconds


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--against", "url", help="Base URL of a live service; default is in process.")
@click.option("--fhir-server", "fhir", help="Base URL of a FHIR server to load each patient onto, instead of prefetch.")
@click.option("--now", type=TimeArgument(), help="Fire as if it were this time.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit", "html"]), default="text", show_default=True
)
@click.option("--cards", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Content to replay with.")
def replay(
    paths: tuple[Path, ...], url: str | None, fhir: str | None, now: datetime | None, form: str, cards: Path | None
) -> None:
    """Fire scenarios, courses, captured requests or recordings and show what differs from what is expected of them. A
    FHIR server to load patients onto must be one for tests: resources of their ids are overwritten and deleted.

    Example: cds-service replay --against http://127.0.0.1:8080
    """
    try:
        cases = list(read_cases(packaged("fixtures"), paths, now))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if now is not None and not url:
        cases = [at(case, now) for case in cases]
    prepared = prepared_content(cards)
    server = LoadedServer(fhir) if fhir else None
    results = []
    try:
        fire = against(url, now, server) if url else in_process(prepared, server)
        hidden = not sys.stderr.isatty() or (len(cases) < _MANY and not fhir)
        with click.progressbar(cases, file=sys.stderr, label="replay", hidden=hidden) as bar:
            for case in bar:
                results.append(fire(case))
        if server:
            server.close()
    except requests.RequestException as error:
        where = error.request.url if error.request is not None else url or fhir
        raise click.ClickException(f"{where} does not answer: {type(error).__name__}") from None
    say(_formatted(form, results, prepared))
    if any(result.differences for result in results):
        sys.exit(1)


def _formatted(form: str, results: Sequence[ReplayResult], prepared: Prepared) -> str:
    if form == "html":
        from cds_service.console.reports import replay_page

        return replay_page(results, prepared)
    return {"text": _as_text, "json": _as_json, "junit": _as_junit}[form](results)


def _as_text(results: Sequence[ReplayResult]) -> str:
    lines = []
    for result in results:
        if result.skipped:
            lines.append(f"skip  {result.name}: {result.skipped}")
        if not result.is_expected:
            cards = "; ".join(f"{card['indicator']}: {card['summary']}" for card in result.cards)
            lines.append(f"tell  {result.name}: {result.fault or cards or 'no card'}")
        lines += [f"FAIL  {result.name}: {difference}" for difference in result.differences]
    failed = sum(bool(result.differences) for result in results)
    skipped = sum(bool(result.skipped) for result in results)
    not_compared = sum(not result.is_expected for result in results)
    lines.append(
        f"{len(results) - failed - skipped - not_compared} as expected, {failed} different, {skipped} skipped"
        + (f", {not_compared} with nothing to compare with" if not_compared else "")
    )
    return "\n".join(lines)


def _as_json(results: Sequence[ReplayResult]) -> str:
    return json.dumps(
        [
            {"scenario": r.name, "differences": r.differences, "skipped": r.skipped, "cards": r.cards}
            | ({"fault": r.fault} if r.fault else {})
            for r in results
        ],
        indent=2,
        ensure_ascii=False,
    )


def _as_junit(results: Sequence[ReplayResult]) -> str:
    suite = ElementTree.Element(
        "testsuite",
        name="cds-service replay",
        tests=str(len(results)),
        failures=str(sum(bool(result.differences) for result in results)),
        skipped=str(sum(bool(result.skipped) for result in results)),
    )
    for result in results:
        story, _, name = _xml(result.name).partition("/")
        case = ElementTree.SubElement(suite, "testcase", classname=story, name=name)
        if result.skipped:
            ElementTree.SubElement(case, "skipped", message=result.skipped)
        if result.differences:
            lines = [_xml(difference) for difference in result.differences]
            ElementTree.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
    return ElementTree.tostring(suite, encoding="unicode")


def _xml(text: str) -> str:
    """The text with a replacement character for each that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
