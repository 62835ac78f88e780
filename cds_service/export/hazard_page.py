"""The hazard log as a document to read (Markdown) and as a table for a spreadsheet (CSV, RFC 4180)."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from cds_service.content.hazard_log import Estimate, Hazard, HazardLog
from cds_service.content.model import Pack

_WIDTH = 118
COLUMNS = (
    "id",
    "hazard",
    "possible causes",
    "effect on the patient",
    "initial severity",
    "initial likelihood",
    "initial risk",
    "controls: rules",
    "controls: decisions",
    "controls: software",
    "evidence",
    "residual severity",
    "residual likelihood",
    "residual risk",
    "why this remains",
    "controls that only the hospital has",
    "known gaps of the content",
    "owner",
    "status",
)


def as_csv(pack: Pack) -> str:
    """A line for each hazard under ``COLUMNS``; entries of one cell stand on lines of their own."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    if pack.hazards is not None:
        for hazard in pack.hazards.hazards.values():
            writer.writerow(_cells(pack.hazards, hazard))
    return text.getvalue()


def as_document(pack: Pack) -> str:
    """The whole log, as a page of its own: how to read it, its matrix, an overview, every hazard, the controls."""
    log = pack.hazards
    if log is None:
        return f"# Hazard log of {pack.title}\n\nThis content has no hazard log.\n"
    parts = [
        f"# Hazard log of {pack.title}",
        "",
        f"`{pack.id}` {pack.version}. Made from `hazards.yaml` by `cds-service export hazards`; changes belong there.",
        "",
        *_wrapped(log.about),
        "",
        *_wrapped(_sign_off(pack, log)),
        "",
        "It follows:",
        "",
        *(line for reference in log.references for line in _item(reference)),
        "",
        "## How risk is estimated",
        "",
        *_matrix(log),
        "",
        "## Overview",
        "",
        *_overview(log),
        "",
        "## Hazards",
        *(line for hazard in log.hazards.values() for line in _section(log, hazard)),
        "",
        "## Controls in the software",
        "",
        "Rules and decisions among the controls stand in the content's tables; these are parts of the software.",
        "",
        *_framework(log),
        "",
        "## Where each decision, limit and gap is covered",
        "",
        *_coverage(pack, log),
    ]
    return "\n".join(parts) + "\n"


def _sign_off(pack: Pack, log: HazardLog) -> str:
    signed = log.sign_off
    if signed is None or signed.version != pack.version:
        return (
            f"**Nobody has accepted this log for version {pack.version}: no clinician and no clinical safety officer "
            "has signed it.**"
        )
    names = [f"{one.person} ({one.role}, {one.date})" for one in (signed.authored, signed.checked)]
    return f"Authored by {names[0]}, checked by {names[1]}; the next review is due by {signed.next_review}."


def _matrix(log: HazardLog) -> Iterator[str]:
    matrix = log.matrix
    yield from _table(["severity", "means"], ([name, text] for name, text in matrix.severities.items()))
    yield ""
    yield from _table(["likelihood", "means"], ([name, text] for name, text in matrix.likelihoods.items()))
    yield ""
    rows = ([name, *map(str, row)] for name, row in matrix.risks.items())
    yield from _table(["likelihood \\ severity", *matrix.severities], rows)
    yield ""
    yield from _table(["risk", "asks for"], ([str(level), text] for level, text in matrix.levels.items()))


def _overview(log: HazardLog) -> Iterator[str]:
    rows = [
        [f"[{hazard.id}](#{hazard.id.lower()})", hazard.hazard, _risk(log, hazard.initial), _risk(log, hazard.residual)]
        for hazard in log.hazards.values()
    ]
    yield from _table(["id", "hazard", "initial risk", "residual risk"], rows)


def _section(log: HazardLog, hazard: Hazard) -> Iterator[str]:
    yield from ("", f'<a id="{hazard.id.lower()}"></a>', "", f"### {hazard.id}: {hazard.hazard}", "")
    lists = (
        ("Possible causes", hazard.causes),
        ("Controls: rules", [f"`{name}`" for name in hazard.rules]),
        ("Controls: decisions", [f"`{name}`" for name in hazard.decisions]),
        ("Controls: software", [f"[{name}](#{name})" for name in hazard.framework]),
        ("Evidence", [f"`{name}`" for name in (*hazard.scenarios, *hazard.tests)]),
        ("Known gaps", _gaps(hazard)),
        ("Left to the hospital", hazard.deployer),
    )
    yield from _item(f"**Effect on the patient:** {hazard.effect}")
    yield from _item(f"**Initial risk:** {_estimate(log, hazard.initial)}")
    for title, entries in lists:
        if title == "Controls: rules" and not (hazard.rules or hazard.decisions or hazard.framework):
            yield from _item("**Controls:** none")
        if entries:
            yield from _item(f"**{title}:** {'; '.join(entries)}")
    yield from _item(f"**Residual risk:** {_estimate(log, hazard.residual)}. {hazard.because}")
    yield from _item(f"**Owner:** {hazard.owner or 'nobody yet'}. **Status:** {hazard.status}")


def _framework(log: HazardLog) -> Iterator[str]:
    for control in log.framework.values():
        yield from ("", f'<a id="{control.id}"></a>', "")
        yield from _item(f"**{control.id}**: {control.what} {'; '.join(f'`{test}`' for test in control.tests)}")


def _coverage(pack: Pack, log: HazardLog) -> Iterator[str]:
    named: dict[str, list[str]] = {}
    for hazard, control in log.controls():
        named.setdefault(control, []).append(hazard.id)
    gaps = {
        (name, gap): hazard.id for hazard in log.hazards.values() for name, its in hazard.gaps.items() for gap in its
    }
    rows = []
    for decision in pack.decisions.values():
        topics = [decision.topic(rule.id) for rule in decision.rules]
        if decision.safety:
            hazards = dict.fromkeys(one for name in (decision.id, *topics) for one in named.get(name, ()))
            rows.append(["safety decision", f"`{decision.id}`", ", ".join(hazards)])
        limits = [topic for topic, rule in zip(topics, decision.rules, strict=True) if rule.then.withhold]
        rows += [["suggestions kept back", f"`{topic}`", ", ".join(named.get(topic, ()))] for topic in limits]
        rows += [
            ["known gap", f"`{decision.id}`: {gap}", gaps.get((decision.id, gap), "")] for gap in decision.known_gaps
        ]
    yield from _table(["what", "which", "hazards"], sorted(rows))


def _cells(log: HazardLog, hazard: Hazard) -> Sequence[str]:
    initial, residual = hazard.initial, hazard.residual
    return (
        hazard.id,
        hazard.hazard,
        "\n".join(hazard.causes),
        hazard.effect,
        initial.severity,
        initial.likelihood,
        _risk(log, initial),
        "\n".join(hazard.rules),
        "\n".join(hazard.decisions),
        "\n".join(f"{name}: {log.framework[name].what}" for name in hazard.framework if name in log.framework),
        "\n".join((*hazard.scenarios, *hazard.tests)),
        residual.severity,
        residual.likelihood,
        _risk(log, residual),
        hazard.because,
        "\n".join(hazard.deployer),
        "\n".join(_gaps(hazard)),
        hazard.owner,
        hazard.status,
    )


def _gaps(hazard: Hazard) -> list[str]:
    return [f"{decision}: {gap}" for decision, gaps in hazard.gaps.items() for gap in gaps]


def _risk(log: HazardLog, estimate: Estimate) -> str:
    return str(log.matrix.risk(estimate) or "outside of the matrix")


def _estimate(log: HazardLog, estimate: Estimate) -> str:
    return f"{_risk(log, estimate)} (severity {estimate.severity}, likelihood {estimate.likelihood})"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _item(text: str) -> list[str]:
    return _wrapped(f"- {text}", "  ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
