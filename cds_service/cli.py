"""``cds-service``: one command, its verbs. Exit 0 good, 1 findings or failures, 2 wrong use."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import click
import msgspec

from cds_service import __version__
from cds_service.content.check import check as check_content
from cds_service.content.check import update_lock
from cds_service.content.files import ContentError
from cds_service.content.load import load_pack
from cds_service.content.site import read_site
from cds_service.evaluate import Evaluator
from cds_service.explain import explain as explain_request
from cds_service.gate import clients_of
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.protocol.openapi import openapi
from cds_service.replay.coverage import as_table, coverage, written_into
from cds_service.replay.run import Result, against, in_process, templates_of
from cds_service.replay.scenarios import Scenario, read_scenarios
from cds_service.serving import prepare, services_of
from cds_service.settings import Settings
from cds_service.suggestions import template_words
from cds_service.trust.clients import ClientsError

_json = msgspec.json.Encoder(decimal_format="number")
# Evaluation is work for the processor: more threads than this only queue for the interpreter.
_THREADS_PER_WORKER = 4
# A worker that a stop reaches while it is still starting may miss it: it is ended after so long.
_STOP_SECONDS = 10
# Headers of a call, its token among them, take a few kilobytes; who sends them slowly or without end is let go.
_HEADER_MILLISECONDS = 10_000
_HEADER_BYTES = 65_536
_DEFAULT_SAMPLE = "platelets-and-im/belowTwentyFive"


class _Moment(click.ParamType[datetime]):
    """A point in time, ISO 8601; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an ISO 8601 time", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def main() -> None:
    """CDS Hooks decision support for vitamin B12 orders.

    Example: cds-service serve
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
@click.option("--insecure", is_flag=True, help="Listen on a non-loopback host although nobody is authenticated.")
def serve(host: str, port: int, workers: int, insecure: bool) -> None:
    """Serve over HTTP.

    Example: cds-service serve --port 8080 --workers 2
    """
    from granian import Granian

    from cds_service.app import allowed_servers

    loopback = _is_loopback(host)
    settings = Settings(loopback=loopback, insecure=insecure)
    if not loopback and not insecure and settings.clients is None:
        raise click.UsageError(f"{host} is not a loopback host and no clients are configured; use --insecure to serve")
    try:
        served = prepare(settings)
        pack = served.evaluator.pack
        clients = clients_of(settings, pack.services, pack.templates)
        allowed_servers(settings, clients)
    except (ContentError, ClientsError) as error:
        raise click.ClickException("\n".join(error.problems)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    store = _store(settings)  # its tables are brought up to date before anybody listens
    store.close()
    if store.problem:
        click.echo(f"the store cannot be used, feedback will be refused: {store.problem}", err=True)
        os.environ.setdefault("CDS_SERVICE_KEY", secrets.token_hex(32))  # one key for all workers all the same
    os.environ["CDS_SERVICE_LOOPBACK"] = "1" if loopback else "0"
    os.environ["CDS_SERVICE_INSECURE"] = "1" if insecure else "0"
    if workers > 1:
        os.environ.setdefault("CDS_SERVICE_REPLAY_STORE", "database")  # a token used at one is used at all (SEC-14)
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="cds-service-metrics-"))
    note = "" if served.evaluator.shown else "; unreviewed content runs as shadow: no cards are shown"
    click.echo(f"CDS Hooks on http://{host}:{port}/cds-services ({pack.title} {pack.version}{note})")
    click.echo(f"may call: {clients.told() if clients else 'anybody who reaches it; no clients are configured'}")
    for warning in clients.warnings() if clients else ():
        click.echo(warning, err=True)
    click.echo(f"feedback is kept in {store.where}")
    server = Granian("cds_service.app:wsgi", factory=True, **granian_settings(host, port, workers))
    server.serve()


def granian_settings(host: str, port: int, workers: int) -> dict[str, Any]:
    """How any application is served; benchmarks serve what they measure against by the same."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    return {
        "address": host,
        "port": port,
        "workers": workers,
        "interface": Interfaces.WSGI,
        "log_access": False,
        "log_level": "warning",
        "blocking_threads": _THREADS_PER_WORKER,
        "workers_kill_timeout": _STOP_SECONDS,
        "http": HTTPModes.http1,  # to tell 1 from 2 a silent connection would be waited for without end
        "http1_settings": HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS, max_buffer_size=_HEADER_BYTES),
    }


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--against", "url", help="Base URL of a live service; default is in process.")
@click.option("--now", type=_Moment(), help="Fire as if it were this time.")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@click.option("--cards", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Content to replay with.")
def replay(paths: tuple[Path, ...], url: str | None, now: datetime | None, form: str, cards: Path | None) -> None:
    """Fire scenarios and show what differs from what they expect.

    Example: cds-service replay --against http://127.0.0.1:8080
    """
    import requests

    try:
        scenarios = list(read_scenarios(packaged("fixtures"), paths))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        fire = against(url, now) if url else in_process(_evaluator(cards))
    except requests.RequestException as error:
        raise click.ClickException(f"{url} does not answer discovery: {type(error).__name__}") from None
    if now is not None and not url:
        scenarios = [_at(scenario, now) for scenario in scenarios]
    results = []
    with click.progressbar(
        scenarios, file=sys.stderr, label="replay", hidden=not sys.stderr.isatty() or len(scenarios) < 200
    ) as bar:
        for scenario in bar:
            results.append(fire(scenario))
    click.echo({"text": _as_text, "json": _as_json, "junit": _as_junit}[form](results))
    if any(result.differences for result in results):
        sys.exit(1)


@main.command()
@click.argument("scenario", default=_DEFAULT_SAMPLE)
def sample(scenario: str) -> None:
    """Print a hook request that is right today, for curl.

    Example: cds-service sample | curl -s -H 'Content-Type: application/json' -d @-
    http://127.0.0.1:8080/cds-services/vitamin-b12-order-select
    """
    found = {known.name: known for known in read_scenarios(packaged("fixtures"))}
    if scenario not in found:
        raise click.UsageError(f"no scenario {scenario!r}; there are: {', '.join(sorted(found))}")
    pack = _load(Settings().cards)
    service = next((s for s in pack.services.values() if s.hook == found[scenario].hook), None)
    if service is None:
        raise click.ClickException(f"no service answers {found[scenario].hook}")
    request = found[scenario].request(templates_of(pack, service), datetime.now(UTC))
    click.echo(msgspec.json.format(_json.encode(request), indent=2).decode())


@main.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option("--now", type=_Moment(), help="Explain as if it were this time.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(request_file: Any, now: datetime | None, form: str) -> None:
    """Show the facts read for a request, the rules that fired, and why the near ones did not.

    Example: cds-service sample > request.json; cds-service explain request.json
    """
    try:
        told = explain_request(_evaluator(None), request_file.read(), now or datetime.now(UTC))
    except Fault as fault:
        click.echo(f"{fault.status} {fault.path}: {fault.text}", err=True)
        sys.exit(1)
    click.echo(json.dumps(told, indent=2, ensure_ascii=False) if form == "json" else _explained(told))


@main.command()
@click.argument("cards_dir", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--update-lock", "update", is_flag=True, help="Write digests after a version bump.")
@click.option(
    "--site",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A site.toml to check with the content.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(cards_dir: Path | None, update: bool, site: Path | None, form: str) -> None:
    """Prove the content: schema, references, gaps, overlaps, unreachable rules, texts, codes, orders; and, if all that
    holds, that the scenarios in the folder fixtures beside it still hold.

    Example: cds-service check cards
    """
    cards = cards_dir or Settings().cards
    try:
        problems = update_lock(cards) if update else []
        overlay = read_site(site or Settings().site)
        problems = problems or check_content(cards, template_words(load_pack(cards, overlay)), overlay)
        if not problems and not overlay.digest:  # scenarios are of the content as it stands, not of one site
            problems = _scenarios_that_differ(cards)
    except ContentError as error:
        problems = list(error.problems)
    if form == "json":
        click.echo(json.dumps(problems, indent=2))
    else:
        for problem in problems:
            click.echo(problem)
        if not problems:
            reviewed = load_pack(cards).reviewed
            click.echo("the content holds" + ("" if reviewed else "; it has not been reviewed by a clinician"))
    if problems:
        sys.exit(1)


@main.command()
@click.argument("form", type=click.Choice(["dmn", "plandefinition", "openapi", "statements"]))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write files into this folder.")
@click.option("--cards", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Content to export.")
def export(form: str, out: Path | None, cards: Path | None) -> None:
    """Print the content in another form: DMN 1.3, FHIR PlanDefinition and ActivityDefinition, the interface as
    OpenAPI 3.1, or the table of statements with their rules and scenarios (--out names the folder whose README.md
    carries it).

    Example: cds-service export dmn --out exported
    """
    from cds_service.export.forms import printed, write

    if form == "statements":
        _statements(cards, out)
        return
    if form == "openapi":
        _openapi(cards, out)
        return
    pack = _load(cards or Settings().cards)
    if out is None:
        click.echo(printed(pack, form), nl=False)
    else:
        for path in write(pack, form, out):
            click.echo(path)


def _scenarios_that_differ(cards: Path) -> list[str]:
    """``file:line: fixture: case: difference`` for every scenario beside the content that answers otherwise."""
    fixtures = cards.resolve().parent / "fixtures"
    if not (fixtures / "scenarios").is_dir():
        return []
    fire = in_process(_evaluator(cards))
    found = []
    for scenario in read_scenarios(fixtures):
        case = scenario.name.rpartition("/")[2]
        for difference in fire(scenario).differences:
            lines = scenario.path.read_text(encoding="utf-8").splitlines()
            line = next((n for n, text in enumerate(lines, 1) if text.strip() == f"- name: {case}"), 1)
            found.append(f"{scenario.path}:{line}: fixture: {case}: {difference}")
    return found


def _openapi(cards: Path | None, out: Path | None) -> None:
    settings = Settings()
    services = services_of(_load(cards or settings.cards))
    text = json.dumps(openapi(__version__, services, authenticated=settings.clients is not None), indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "openapi.json").write_text(text, encoding="utf-8")
    click.echo(out / "openapi.json")


def _statements(cards: Path | None, out: Path | None) -> None:
    table = as_table(coverage(_evaluator(cards), read_scenarios(packaged("fixtures"))))
    if out is None:
        click.echo(table)
        return
    page = out / "README.md"
    try:
        page.write_text(written_into(page.read_text(encoding="utf-8"), table), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{page}: {error}") from None
    click.echo(page)


@main.command()
@click.option("--since", type=_Moment(), help="Only what came since then.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def report(since: datetime | None, form: str) -> None:
    """Show what became of the cards: acceptance and reasons of overrides, per rule and content version.

    Example: cds-service report --since 2026-11-01
    """
    from cds_service.reporting import as_text
    from cds_service.store.database import StoreDown

    store = _store(Settings())
    try:
        told = store.report(since)
    except StoreDown as error:
        raise click.ClickException(f"{store.where} cannot be read: {error}") from None
    finally:
        store.close()
    click.echo(json.dumps(msgspec.to_builtins(told), indent=2) if form == "json" else as_text(told, store.where))


# --- helpers ----------------------------------------------------------------------------------------------------


def _load(cards: Path) -> Any:
    try:
        return load_pack(cards, read_site(Settings().site))
    except ContentError as error:
        raise click.ClickException("\n".join(error.problems)) from None


def _store(settings: Settings) -> Any:
    from cds_service.store.store import Store

    try:
        return Store(settings.store, settings.uuid_key())
    except ValueError as error:
        raise click.UsageError(f"CDS_SERVICE_STORE: {error}") from None


def _evaluator(cards: Path | None) -> Evaluator:
    settings = Settings()
    pack = _load(cards or settings.cards)
    return Evaluator.prepare(
        pack, zone=ZoneInfo(settings.time_zone), key=settings.uuid_key() or secrets.token_bytes(32)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _at(scenario: Scenario, now: datetime) -> Scenario:
    from dataclasses import replace

    return replace(scenario, now=now)


def _as_text(results: list[Result]) -> str:
    lines = []
    for result in results:
        if result.skipped:
            lines.append(f"skip  {result.name}: {result.skipped}")
        lines += [f"FAIL  {result.name}: {difference}" for difference in result.differences]
    failed = sum(bool(result.differences) for result in results)
    skipped = sum(bool(result.skipped) for result in results)
    lines.append(f"{len(results) - failed - skipped} as expected, {failed} different, {skipped} skipped")
    return "\n".join(lines)


def _as_json(results: list[Result]) -> str:
    return json.dumps(
        [{"scenario": r.name, "differences": r.differences, "skipped": r.skipped, "cards": r.cards} for r in results],
        indent=2,
        ensure_ascii=False,
    )


def _as_junit(results: list[Result]) -> str:
    suite = ElementTree.Element(
        "testsuite",
        name="cds-service replay",
        tests=str(len(results)),
        failures=str(sum(bool(result.differences) for result in results)),
        skipped=str(sum(bool(result.skipped) for result in results)),
    )
    for result in results:
        story, _, name = result.name.partition("/")
        case = ElementTree.SubElement(suite, "testcase", classname=story, name=name)
        if result.skipped:
            ElementTree.SubElement(case, "skipped", message=result.skipped)
        if result.differences:
            ElementTree.SubElement(case, "failure", message=result.differences[0]).text = "\n".join(result.differences)
    return ElementTree.tostring(suite, encoding="unicode")


def _explained(told: dict[str, Any]) -> str:
    lines = [f"{told['service']} at {told['now']}"]
    for order in told["orders"]:
        lines += ["", f"{order['order']}: {order['drug']}", "  facts"]
        for name, fact in order["facts"].items():
            read = "; ".join(
                f"{r['reference']}: {r['said']}{' ' + r['date'] if 'date' in r else ''}"
                for r in fact.get("read-from", [])
            )
            why = " ".join(filter(None, [fact.get("reason", ""), ", ".join(fact.get("missing", []))]))
            lines.append(
                f"    {name} = {fact['value']}" + (f"  [{read}]" if read else "") + (f"  ({why})" if why else "")
            )
        for number, step in enumerate(order["steps"], 1):
            lines.append(f"    step {number}: " + ", ".join(f"{n} = {f['value']}" for n, f in step.items()))
        lines.append("  definitions")
        lines += [f"    {name} = {value}" for name, value in order["definitions"].items()]
        lines.append("  decisions")
        for decision in order["decisions"]:
            for rule in decision["fired"]:
                lines.append(f"    {decision['decision']}: {rule['rule']}{' (silent)' if rule['silent'] else ''}")
            lines += [f"      not {near['rule']}: {'; '.join(near['because'])}" for near in decision["near"]]
    lines += ["", "cards"] + [f"  {card['indicator']}: {card['summary']}" for card in told["cards"]]
    return "\n".join(lines if told["cards"] else [*lines, "  none"])
