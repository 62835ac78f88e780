"""``cds-service explain``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from cds_service.commands.card_text import cards_as_text, indented
from cds_service.commands.common import TimeArgument, number, say
from cds_service.commands.packs import one_pack, pack_option, prepared_content
from cds_service.judge.explanation import explain as explain_request
from cds_service.protocol.faults import Fault
from cds_service.replay.input_files import FileError, decoded, parsed_json


@click.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option("--now", type=TimeArgument(), help="Explain as if it were this time.")
@click.option("--all", "everything", is_flag=True, help="Show every fact, every definition and every rule too.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pack_option
def explain(request_file: Any, now: datetime | None, everything: bool, form: str, pack_id: str | None) -> None:
    """Show the cards that a request gets, or why it gets none, and what decided that. REQUEST.json is a file, or - for
    standard input.

    Example: cds-service sample > request.json; cds-service explain request.json
    """
    name = getattr(request_file, "name", "<stdin>")
    name = "standard input" if name == "<stdin>" else name
    body = request_file.read()
    prepared = prepared_content(one_pack(None, pack_id))
    try:
        parsed_json(decoded(body, name), name)
        explanation = explain_request(prepared, body, now or datetime.now(UTC))
    except FileError as error:
        raise click.ClickException(str(error)) from None
    except Fault as fault:
        told = [": ".join(filter(None, [name, one.path, one.text])) for one in fault.every()]
        raise click.ClickException("\n".join(told)) from None
    if form == "json":
        say(json.dumps(explanation, indent=2, ensure_ascii=False))
    else:
        more = _everything(explanation) if everything else ["--all shows every fact, every definition and every rule."]
        say("\n".join([*_as_text(explanation), "", *more]))


def _as_text(explanation: Mapping[str, Any]) -> Iterator[str]:
    """The cards, or why there is none; the orders that were not judged; what decided."""
    moment = datetime.fromisoformat(explanation["now"])
    yield f"{explanation['content']}, {explanation['service']}, as of {moment:%Y-%m-%d %H:%M %Z}"
    yield ""
    yield from cards_as_text(explanation["cards"])
    for draft in explanation["not-judged"]:
        yield ""
        yield from _not_judged(draft)
    if not explanation["cards"]:
        if not explanation["orders"] and not explanation["not-judged"]:
            yield from ("", "The request holds no draft order.")
        for order in explanation["orders"]:
            yield ""
            yield from _silence(order)
    else:
        for order in explanation["orders"]:
            yield from _spoken(order)
    told = {draft["draft"] for draft in explanation["not-judged"] if "sent" in draft}
    others = [item for item in explanation["not-understood"] if item["reference"] not in told]
    if others:
        yield ""
        verb = "was" if len(others) == 1 else "were"
        yield (
            f"{number(len(others), 'thing')} that {verb} sent {verb} not understood; --all lists them, and cds-service "
            "coverage proposes lines for site.toml."
        )


def _named(order: Mapping[str, Any], reference: str) -> str:
    """An order for people: its drug, and which of the request it is; the patient alone where there is no order."""
    drug, reference = order["drug"], order[reference]
    return " ".join(filter(None, [drug, f"({reference})" if drug else reference])) or "The patient"


def _not_judged(draft: Mapping[str, str]) -> Iterator[str]:
    yield from indented(f"{_named(draft, 'draft')} is not judged. {draft['because']}")
    if "sent" in draft:
        yield f"  It was sent {'as ' + draft['sent'] if draft['sent'] else 'without a code'}."
    if "site.toml" in draft:
        yield "  These lines of site.toml would map it, once each question mark is replaced:"
        yield from (f"    {line}".rstrip() for line in draft["site.toml"].splitlines())


def _silence(order: Mapping[str, Any]) -> Iterator[str]:
    """Why an order got no card: first what found it right, then what spoke and is not shown, then what ruled it out."""
    silence: Mapping[str, list[Mapping[str, Any]]] = {kind: [] for kind in _KINDS}
    for entry in order["silence"]:
        silence[entry["kind"]].append(entry)
    yield f"{_named(order, 'order')} was judged, and nothing is to be said of it:"
    for entry in silence["in line"]:
        yield from indented(f"- {entry['title']}: in line with {entry['statement']}, {_quoted(entry)}.", "  ")
        yield from _because(entry)
    for entry in silence["not shown"]:
        text = (
            f"- {entry['title']}: {entry['rule']} is {_article(entry['indicator'])}, and of this decision the service"
        )
        yield from indented(f"{text} shows nothing below {_article(entry['shown-from'])}.", "  ")
        yield from _because(entry)
    for entry in silence["withdrawn"]:
        text = f"- {entry['title']}: {entry['rule']} speaks, but the site has switched it off"
        yield from indented(f"{text} since {entry['date']}: {entry['reason']}", "  ")
        yield from _because(entry)
    for entry in silence["noted"]:
        yield from indented(f"- {entry['title']}: {entry['rule']} is a line on other cards, and there is none.", "  ")
        yield from _because(entry)
    for entry in silence["shadow"]:
        yield from indented(f"- {entry['title']}: {entry['rule']} speaks, but is only counted (shadow).", "  ")
        yield from _because(entry)
    for entry in silence["ruled out"]:
        yield f"  - {entry['title']}: nothing to say ({entry['rule']})."
        yield from _because(entry)
    if titles := [entry["title"] for entry in silence["nothing found"]]:
        yield from indented(f"- Looked at, and nothing found that speaks: {'; '.join(titles)}.", "  ")
    if not order["silence"]:
        yield "  - No decision of this service applies to it."


def _quoted(entry: Mapping[str, Any]) -> str:
    return f"“{entry['quote']}”{_whose(entry)}"


def _whose(told: Mapping[str, Any]) -> str:
    """Behind a statement, whose rule it is where that is this hospital's (Z78)."""
    return f" ({told['whose']})" if "whose" in told else ""


_KINDS = ("in line", "not shown", "withdrawn", "noted", "shadow", "ruled out", "nothing found")


def _article(indicator: str) -> str:
    return f"an {indicator}" if indicator == "info" else f"a {indicator}"


def _spoken(order: Mapping[str, Any]) -> Iterator[str]:
    """The rules that spoke of an order, each with what it asked for and found."""
    spoken = [
        (decision, rule)
        for decision in order["decisions"]
        for rule in decision["fired"]
        if not rule["silent"] and "shown-from" not in rule and "withdrawn" not in rule
    ]
    if spoken:
        yield ""
        yield f"What decided on {_named(order, 'order')}"
    for decision, rule in spoken:
        basis = f", rests on {rule['statement']}{_whose(rule)}" if rule["statement"] else ""
        yield from indented(f"- {decision['title']}: {rule['rule']}{basis}", "  ")
        yield from _because({"because": rule["tested"]})


def _because(entry: Mapping[str, Any]) -> Iterator[str]:
    for tested in entry["because"]:
        behind = "; ".join(f"{fact['label']}: {_value(fact)}" for fact in tested.get("behind", []))
        yield from indented(f"{tested['label']}: {_value(tested)}" + (f", from {behind}" if behind else ""), "      ")


def _value(found: Mapping[str, Any]) -> str:
    read = f" ({', '.join(found['read-from'])})" if "read-from" in found else ""
    return f"{found['value']}{read}"


def _everything(explanation: Mapping[str, Any]) -> Iterator[str]:
    yield "Drafts"
    yield from (f"  {d['draft']}: {d['drug'] or '-'}: recognised {d['recognised']}" for d in explanation["drafts"])
    if not explanation["drafts"]:
        yield "  none of a medication"
    yield from ("", "Not understood")
    yield from (f"  {line}" for item in explanation["not-understood"] for line in _missed(item))
    if not explanation["not-understood"]:
        yield "  nothing"
    for order in explanation["orders"]:
        yield from ("", _named(order, "order"), "  Facts")
        for name, fact in order["facts"].items():
            yield f"    {name} = {fact['value']}{_read(fact)}"
        for step_number, step in enumerate(order["steps"], 1):
            yield f"    step {step_number}: " + ", ".join(f"{n} = {f['value']}" for n, f in step.items())
        yield "  Definitions"
        yield from (f"    {name} = {value}" for name, value in order["definitions"].items())
        yield "  Decisions"
        for decision in order["decisions"]:
            for rule in decision["fired"]:
                yield f"    {decision['decision']}: {rule['rule']}{_unseen(decision, rule)}"
            for near in decision["near"]:
                if "silent" not in near:
                    yield f"      not {near['rule']}: {'; '.join(near['because'])}"


def _unseen(decision: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """Why nobody sees what a rule found, in brackets."""
    if rule["silent"]:
        return " (silent)"
    if decision["status"] != "active":
        return f" (not shown: the decision is {decision['status']})"
    if withdrawn := rule.get("withdrawn"):
        return f" (not shown: switched off by the site on {withdrawn['date']}: {withdrawn['reason']})"
    return ""


def _read(fact: Mapping[str, Any]) -> str:
    """What a fact was read from, and why it has no value if it has none."""
    read = "; ".join(
        f"{r['reference']}: {r['said']}{' ' + r['date'] if 'date' in r else ''}" for r in fact.get("read-from", [])
    )
    why = " ".join(filter(None, [fact.get("reason", ""), ", ".join(fact.get("missing", []))]))
    return (f"  [{read}]" if read else "") + (f"  ({why})" if why else "")


def _missed(item: Mapping[str, str]) -> list[str]:
    """One thing that was not understood, in words, and the lines of ``site.toml`` that would map it."""
    code = "|".join(filter(None, [item.get("system"), item.get("code")]))
    words = f'"{item["said"]}"' if "said" in item else ""
    first = " ".join(filter(None, [f"{item['kind']}: {item['reference']}:", code, words, item["because"]]))
    return [first, *(f"  | {line}" for line in item.get("site.toml", "").splitlines())]
