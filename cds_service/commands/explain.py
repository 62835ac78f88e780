"""``cds-service explain``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import click

from cds_service.commands.common import TimeArgument, prepared_content, say
from cds_service.judge.explanation import explain as explain_request
from cds_service.protocol.faults import Fault


@click.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option("--now", type=TimeArgument(), help="Explain as if it were this time.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(request_file: Any, now: datetime | None, form: str) -> None:
    """Show the facts read for a request, the rules that fired, and why the near ones did not.

    Example: cds-service sample > request.json; cds-service explain request.json
    """
    try:
        explanation = explain_request(prepared_content(None), request_file.read(), now or datetime.now(UTC))
    except Fault as fault:
        for one in fault.every():
            say(f"{one.status} {one.path}: {one.text}", err=True)
        sys.exit(1)
    say(json.dumps(explanation, indent=2, ensure_ascii=False) if form == "json" else _as_text(explanation))


def _as_text(explanation: dict[str, Any]) -> str:
    lines = [f"{explanation['service']} at {explanation['now']}", "", "drafts"]
    lines += [f"  {d['draft']}: {d['drug'] or '-'}: recognised {d['recognised']}" for d in explanation["drafts"]]
    lines += [] if explanation["drafts"] else ["  none of a medication"]
    lines += ["", "not understood"] + [f"  {line}" for item in explanation["not-understood"] for line in _missed(item)]
    lines += [] if explanation["not-understood"] else ["  nothing"]
    for order in explanation["orders"]:
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
                lines.append(f"    {decision['decision']}: {rule['rule']}{_unseen(decision, rule)}")
            lines += [f"      not {near['rule']}: {'; '.join(near['because'])}" for near in decision["near"]]
    lines += ["", "cards"] + [f"  {card['indicator']}: {card['summary']}" for card in explanation["cards"]]
    return "\n".join(lines if explanation["cards"] else [*lines, "  none"])


def _unseen(decision: dict[str, Any], rule: dict[str, Any]) -> str:
    """Why nobody sees what a rule found, in brackets."""
    if rule["silent"]:
        return " (silent)"
    if decision["status"] != "active":
        return f" (not shown: the decision is {decision['status']})"
    if withdrawn := rule.get("withdrawn"):
        return f" (not shown: switched off by the site on {withdrawn['date']}: {withdrawn['reason']})"
    return ""


def _missed(item: dict[str, str]) -> list[str]:
    """One thing that was not understood, in words, and the lines of ``site.toml`` that would map it."""
    code = "|".join(filter(None, [item.get("system"), item.get("code")]))
    words = f'"{item["said"]}"' if "said" in item else ""
    first = " ".join(filter(None, [f"{item['kind']}: {item['reference']}:", code, words, item["because"]]))
    return [first, *(f"  | {line}" for line in item.get("site.toml", "").splitlines())]
