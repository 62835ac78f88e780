"""``cds-service replay``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import click

from cds_service.commands.card_text import cards_as_text
from cds_service.commands.common import (
    TimeArgument,
    UrlArgument,
    WrongUseError,
    number,
    progress,
    say,
)
from cds_service.commands.packs import (
    fixtures_for,
    one_pack,
    pack_option,
    pack_places,
    prepared_content,
    refuse_without,
)
from cds_service.content.packs import pack_folders
from cds_service.content.prepared import Prepared
from cds_service.replay.cases import Case, at, read_cases
from cds_service.replay.fhir_server import LoadedServer
from cds_service.replay.input_files import FileError
from cds_service.replay.live import against
from cds_service.replay.run import ReplayResult, in_process
from cds_service.replay.sessions import UnreachableError

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--against", "url", type=UrlArgument(), help="Base URL of a live service; default is in process.")
@click.option(
    "--fhir-server",
    "fhir",
    type=UrlArgument(),
    help="Base URL of a FHIR server to load each patient onto, instead of prefetch.",
)
@click.option("--now", type=TimeArgument(), help="Fire as if it were this time.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit", "html"]), default="text", show_default=True
)
@click.option("--cards", "shows_cards", is_flag=True, help="Show the cards of each as people read them.")
@click.option(
    "--content", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of content to replay with."
)
@pack_option
def replay(
    paths: tuple[Path, ...],
    url: str | None,
    fhir: str | None,
    now: datetime | None,
    form: str,
    shows_cards: bool,
    content: Path | None,
    pack_id: str | None,
) -> None:
    """Fire scenarios, courses, captured requests or recordings, without PATHS all scenarios and courses of every pack,
    and show what differs from what is expected of them,
    each with its file and line. A FHIR server to load patients onto must be one for tests: resources of their ids are
    overwritten and deleted.

    Example: cds-service replay --against http://127.0.0.1:8080
    """
    if shows_cards and form != "text":
        raise WrongUseError(f"--cards is for text; --format {form} has the cards already")
    if content_given := next((path for path in paths if path.is_dir() and pack_folders(path)), None):
        raise WrongUseError(
            f"{content_given} is content and no scenario; replay --content {content_given} takes its own"
        )
    folders = [one_pack(content, pack_id)] if paths or form == "html" else pack_places(content, pack_id)
    replayed = []
    for folder in folders:
        try:
            cases = list(read_cases(fixtures_for(folder), paths, now))
        except FileError as error:
            raise WrongUseError(str(error)) from None
        if not cases and len(folders) > 1:
            say(f"The pack {folder.name} has no scenarios", err=True)
            continue
        refuse_without(folder, cases)
        if now is not None and not url:
            cases = [at(case, now) for case in cases]
        replayed.append(Replayed(prepared_content(folder), cases))
    server = LoadedServer(fhir) if fhir else None
    left = list[str]()
    try:
        if server is not None:
            server.reach()
        for one in replayed:
            services = one.prepared.pack.services
            fire = against(url, now, server, services=services) if url else in_process(one.prepared, server)
            one.results.extend([fire(case) for case in progress(one.cases, "replay")])
    except UnreachableError as error:
        raise click.ClickException(str(error)) from None
    finally:
        if server is not None:
            left = server.close()
        if left:
            say(f"Could not be deleted, and is left on the FHIR server: {', '.join(left)}", err=True)
    if form == "text":
        for one in replayed:
            if len(folders) > 1:
                say(f"{one.prepared.pack.id}:")
            say(_as_text(one.results, shows_cards=shows_cards))
    else:
        say(_formatted(form, replayed, are_several=len(folders) > 1))
    if left or any(result.differences for one in replayed for result in one.results):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The cases that are fired at one pack, and what became of them."""

    prepared: Prepared
    cases: Sequence[Case]
    results: list[ReplayResult] = field(default_factory=list)


def _formatted(form: str, replayed: Sequence[Replayed], *, are_several: bool) -> str:
    if form == "html":
        from cds_service.console.reports import replay_page

        (one,) = replayed
        return replay_page(one.results, one.prepared)
    told = [(one.prepared.pack.id if are_several else "", result) for one in replayed for result in one.results]
    return _as_json(told) if form == "json" else _as_junit(told)


def _as_text(results: Sequence[ReplayResult], *, shows_cards: bool) -> str:
    """A line for each that was skipped, has nothing to compare with, or differs; the cards of all if asked for."""
    lines = []
    for result in results:
        if result.skipped:
            lines.append(f"skip  {result.where}: {result.name}: {result.skipped}")
        elif shows_cards:
            lines.append(f"show  {result.where}: {result.name}: {number(len(result.cards), 'card')}")
            lines += [f"      {line}".rstrip() for line in cards_as_text(result.cards)]
            lines += [f"      {result.fault}"] if result.fault else []
        elif not result.is_expected:
            cards = "; ".join(f"{card['indicator']}: {card['summary']}" for card in result.cards)
            lines.append(f"tell  {result.where}: {result.name}: {result.fault or cards or 'no card'}")
        lines += [f"FAIL  {result.where}: {result.name}: {difference}" for difference in result.differences]
    failed = sum(bool(result.differences) for result in results)
    skipped = sum(bool(result.skipped) for result in results)
    not_compared = sum(not result.is_expected for result in results)
    lines.append(
        f"{len(results) - failed - skipped - not_compared} as expected, {failed} different, {skipped} skipped"
        + (f", {not_compared} with nothing to compare with" if not_compared else "")
    )
    return "\n".join(lines)


def _as_json(results: Sequence[tuple[str, ReplayResult]]) -> str:
    """All results, each with its pack where there are several."""
    return json.dumps(
        [
            {"scenario": r.name, "where": r.where, "differences": r.differences, "skipped": r.skipped, "cards": r.cards}
            | ({"fault": r.fault} if r.fault else {})
            | ({"pack": pack} if pack else {})
            for pack, r in results
        ],
        indent=2,
        ensure_ascii=False,
    )


def _as_junit(told: Sequence[tuple[str, ReplayResult]]) -> str:
    results = [result for _, result in told]
    suite = ElementTree.Element(
        "testsuite",
        name="cds-service replay",
        tests=str(len(results)),
        failures=str(sum(bool(result.differences) for result in results)),
        skipped=str(sum(bool(result.skipped) for result in results)),
    )
    for pack, result in told:
        story, _, name = _xml(result.name).partition("/")
        file, _, line = _xml(result.where).rpartition(":")
        place = {"file": file, "line": line} if line.isdigit() else {"file": _xml(result.where)}
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"{pack}.{story}" if pack else story, "name": name, **place}
        )
        if result.skipped:
            ElementTree.SubElement(case, "skipped", message=result.skipped)
        if result.differences:
            lines = [_xml(difference) for difference in result.differences]
            ElementTree.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
    return ElementTree.tostring(suite, encoding="unicode")


def _xml(text: str) -> str:
    """The text with a replacement character for each that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
