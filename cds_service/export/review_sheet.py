"""Review sheets: all that two people need to see before they sign for one decision (Z15), and what they sign for.

A signature is for one decision as its files are: id, version and digest. What the decision reads stands on the sheet
with its own version, because it is not signed with it. The digest leaves reviews out: to record one changes it not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import unescape
from pathlib import Path

from cds_service.content.hazard_log import Hazard
from cds_service.content.lock import LOCK, Lock, folder_digests, read_lock
from cds_service.content.look_backs import look_backs_of
from cds_service.content.model import Decision, Pack, Settlement, Statement
from cds_service.content.needs import reads
from cds_service.content.number_origins import NumberOrigin, origins_of
from cds_service.content.prepared import Prepared
from cds_service.content.reviews import Review, better
from cds_service.content.rule_words import as_text
from cds_service.content.table_words import RowWords, TableWords, table_in_words
from cds_service.export.review_changes import Changes, changes_of
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.facts import Fact, State
from cds_service.vocabulary.json_text import encode

BASES: Mapping[str, str] = {"source": "source", "reading": "our reading", "hospital": "this hospital"}
OWN_LIMIT = "this hospital's limit"
ORIGINS: Mapping[str, str] = {
    "source": "The source says so",
    "reading": "Our reading",
    "hospital": "This hospital's own",
}
HAZARD_STATUSES: Mapping[str, str] = {
    "open": "open: nobody has accepted the risk that remains",
    "transferred": "transferred: the hospital has taken over the risk that remains",
    "closed": "closed: the risk that remains is accepted",
}
ORDER = "The safety decisions stand first, then all others, both by title."
"""In which order sheets are printed, for people."""
ROLES = ("Written by", "Checked by")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")  # a backslash before punctuation (CommonMark 2.4)
_SHORT = 16  # digits of a digest that a person can compare


@dataclass(frozen=True, slots=True)
class Identity:
    """What a signature is for. ``digest`` is the SHA-256 of its files, ``""`` where it is not known; ``is_locked``
    tells whether the lock names this version with this digest. ``before`` is the version that is locked in place of
    this one, ``""`` if there is none or it is this one.
    """

    id: str
    version: str
    digest: str
    is_locked: bool
    before: str

    @property
    def short(self) -> str:
        """The beginning of the digest, in groups of four."""
        return " ".join(self.digest[place : place + 4] for place in range(0, _SHORT, 4))


@dataclass(frozen=True, slots=True)
class Example:
    """A card that an invented patient is shown: its rule, the scenario, its summary, and in ``message`` the lines
    before the evidence, as plain text. ``suggestions`` are the labels of what it offers.

    ``oddities`` counts the facts of the card that are not known or not sure, what else of the request was not
    understood, and what was of another patient; ``others`` the cards beside it. A plain example has none of them.
    """

    rule: str
    scenario: str
    indicator: str
    summary: str
    message: tuple[str, ...]
    suggestions: tuple[str, ...]
    oddities: tuple[int, int, int]
    others: int

    @property
    def is_plain(self) -> bool:
        """Whether everything was understood and no other card stands beside it."""
        return not any(self.oddities) and not self.others


@dataclass(frozen=True, slots=True)
class DefinitionRead:
    """A definition that a decision reads and that is not signed with it: its title, and what it is."""

    title: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Sheet:
    """One review sheet. ``pack`` is the identity of everything that is no decision, ``rests_on`` are the definitions
    that are read, ``review`` is the review that is recorded, of the decision or of the whole pack, and ``standing``
    what comes of it on ``day``, ``""`` if nothing is wanting.

    ``look_backs`` has the labels of facts by how far back they are read, ``origins`` says where each number of the
    table comes from, ``changes`` what is known of what was changed, and the sheet is number ``place`` of ``count`` in
    the order of printing.
    """

    title: str
    decision: Decision
    identity: Identity
    pack: Identity
    table: TableWords
    statements: tuple[Statement, ...]
    settlements: tuple[Settlement, ...]
    examples: tuple[Example, ...]
    hazards: tuple[Hazard, ...]
    rests_on: tuple[DefinitionRead, ...]
    look_backs: Mapping[str, tuple[str, ...]]
    origins: tuple[NumberOrigin, ...]
    changes: Changes
    place: int
    count: int
    source: str
    review: Review | None
    standing: str
    day: date


def identities(folder: Path, pack: Pack) -> dict[str, Identity]:
    """What the files in ``folder``, which ``pack`` was read from, are: by ``decision:<id>`` and ``pack:<id>``.

    Raises:
        ProblemsError: the lock cannot be read.
    """
    return _identities(pack, read_lock(folder / LOCK), folder_digests(folder))


def locked_identities(folder: Path, pack: Pack) -> dict[str, Identity]:
    """What a pack that is served is, whatever became of the files in ``folder`` since: as the lock knows its versions.

    Raises:
        ProblemsError: the lock cannot be read.
    """
    lock, versions = read_lock(folder / LOCK), _versions(pack)
    same = {name: digest for name, digest in lock.digests.items() if lock.versions.get(name) == versions.get(name)}
    return _identities(pack, lock, same)


def _identities(pack: Pack, lock: Lock, digests: Mapping[str, str]) -> dict[str, Identity]:
    return {
        name: Identity(
            name.partition(":")[2],
            version,
            digests.get(name, ""),
            name in digests and lock.versions.get(name) == version and lock.digests.get(name) == digests[name],
            before if (before := lock.versions.get(name, "")) != version else "",
        )
        for name, version in _versions(pack).items()
    }


def _versions(pack: Pack) -> dict[str, str]:
    versions = {f"decision:{decision.id}": decision.version for decision in pack.decisions.values()}
    return {**versions, f"pack:{pack.id}": pack.version}


def in_order(pack: Pack) -> list[Decision]:
    """The decisions of a pack in the order in which their sheets are printed, which ``ORDER`` says."""
    return sorted(pack.decisions.values(), key=lambda decision: (not decision.safety, decision.title.casefold()))


def sheet(
    prepared: Prepared, known: Mapping[str, Identity], decision: Decision, examples: Iterable[Example], day: date
) -> Sheet:
    """The sheet of one decision as of ``day``; ``known`` are the ``identities`` of its pack."""
    pack = prepared.pack
    cited = {rule.statement for rule in decision.rules}
    settled = {settlement for rule in decision.rules for settlement in rule.settles}
    review = decision.review if decision.is_reviewed else pack.review if pack.is_reviewed else None
    standing = better(pack.standing(day), decision.standing(day))
    ordered, table = in_order(pack), table_in_words(pack, prepared.regimens, decision)
    identity = known[f"decision:{decision.id}"]
    return Sheet(
        title=pack.title,
        decision=decision,
        identity=identity,
        pack=known[f"pack:{pack.id}"],
        table=table,
        statements=tuple(one for one in pack.statements.values() if one.id in cited),
        settlements=tuple(one for one in pack.settlements.values() if one.id in settled),
        examples=tuple(examples),
        hazards=tuple(_hazards(pack, decision)),
        rests_on=tuple(
            DefinitionRead(other.title, known[f"decision:{other.id}"])
            for other in sorted(_behind(pack, decision), key=lambda other: other.title.casefold())
        ),
        look_backs=look_backs_of(pack, decision),
        origins=origins_of(pack, decision),
        changes=changes_of(pack, table, identity.version, identity.before),
        place=ordered.index(decision) + 1,
        count=len(ordered),
        source=pack.label(standing),
        review=review,
        standing=standing.note,
        day=day,
    )


def _behind(pack: Pack, decision: Decision) -> list[Decision]:
    """The definitions that a decision reads, itself or behind others."""
    return [pack.decisions[name] for name in reads(pack, [decision.id]) if name in pack.decisions]


def example(
    prepared: Prepared, decision: Decision, rule: str, scenario: str, request: Mapping[str, object], now: datetime
) -> Example | None:
    """The card of a rule that a request gets at ``now``; ``None`` if it gets none."""
    hook = next((service for service in prepared.pack.services.values() if service.hook == request["hook"]), None)
    if hook is None:
        return None
    try:
        answer = evaluate(prepared, hook, encode(request), now)
    except Fault:
        return None
    body = json.loads(encode(answer.body))
    topic = decision.topic(rule)
    card = next((card for card in body["cards"] if card["source"]["topic"]["code"] == topic), None)
    if card is None:
        return None
    words = prepared.pack.words
    heads = (words["read"], words["noted"], words["rests"])
    parts = card["detail"].split("\n\n")
    end = next((place for place, part in enumerate(parts) if part.startswith(heads)), len(parts))
    labels = tuple(suggestion["label"] for suggestion in card.get("suggestions", ()))
    lines = [_plain(line) for part in parts[:end] for line in part.splitlines()]
    findings = [finding for judged in answer.judged for finding in judged.decided.cards if finding.topic == topic]
    facts = [fact for finding in findings for fact in finding.used.values()]
    return Example(
        rule=rule,
        scenario=scenario,
        indicator=card["indicator"],
        summary=card["summary"],
        message=tuple(lines),
        suggestions=labels,
        oddities=(
            sum(map(_is_odd, facts)),
            sum(one.bears for one in answer.not_understood),
            sum(one.aside.kind is Kind.SUBJECT for one in answer.not_understood),
        ),
        others=len(body["cards"]) - 1,
    )


def _is_odd(fact: Fact) -> bool:
    """Whether a fact is not known, or something beside it is not understood."""
    return fact.state in (State.UNKNOWN, State.UNUSABLE) or fact.beside is not None


def _plain(line: str) -> str:
    """A line of Markdown as text: without the marks that keep text of the chart from doing anything."""
    return unescape(_ESCAPE.sub(r"\1", line.removeprefix("- ")))


def _hazards(pack: Pack, decision: Decision) -> Iterator[Hazard]:
    """The hazards of which the decision, or a rule of it, is a control, or of which it has a known gap."""
    topics = {decision.topic(rule.id) for rule in decision.rules}
    for hazard in pack.hazards.hazards.values() if pack.hazards is not None else ():
        if decision.id in (*hazard.decisions, *hazard.gaps) or not topics.isdisjoint(hazard.rules):
            yield hazard


def signed(review: Review) -> Sequence[str]:
    """Who signed, as role, person and day."""
    return [f"{one.person}, {one.role}, {one.date}" for one in (review.authored, review.checked)]


def as_markdown(one: Sheet) -> str:
    """A sheet as Markdown, which reads well as plain text too."""
    return "\n".join(_lines(one)) + "\n"


def _lines(one: Sheet) -> Iterator[str]:
    decision = one.decision
    yield from (f"# {decision.title}", "", f"Review sheet {one.place} of {one.count}. {ORDER}", "", decision.question)
    if decision.why:
        yield from ("", decision.why)
    yield from ("", f"Review: {one.standing or 'current'}")
    yield from ("", "## The table", "")
    for guard in one.table.guards:
        yield f"- All rules ask: {guard.input.label}: {guard.cell.words}."
    if one.table.is_silent_otherwise:
        yield "- Where that does not hold, nothing is said."
    if one.look_backs:
        yield from ("", "### How far back the record is read", "")
        yield from (f"- {', '.join(labels)}: {words}." for words, labels in one.look_backs.items())
    yield from ("", "| rule | then | when | rests on |", "|---|---|---|---|")
    for rule in one.table.rules:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in _row(one, rule))} |"
    if one.origins:
        yield from ("", "## Where the numbers come from", "")
        yield from (f"- {origin.label}, {origin.numbers}. {origin_in_words(origin)}" for origin in one.origins)
    if one.statements:
        yield from ("", f"## What the source says ({one.source})", "")
        for statement in one.statements:
            named = f"{statement.id} {statement.title}".strip()
            yield f"- {named}, {statement.place}: “{statement.in_full}”"
    if one.examples:
        yield from ("", "## Example cards", "")
        for shown in one.examples:
            yield f"- {shown.indicator}, {shown.rule} ({shown.scenario}): {shown.summary}"
            yield from (f"  {line}" for line in shown.message)
            yield from (f"  Offers: {label}" for label in shown.suggestions)
    yield from ("", "## Known gaps", "")
    yield from (f"- {gap}" for gap in decision.known_gaps)
    for settlement in one.settlements:
        yield f"- {settlement.id}: {settlement.clash}. Settled: {settlement.settlement}."
    if not decision.known_gaps and not one.settlements:
        yield "None is recorded."
    yield from ("", "## Hazards", "")
    yield from (f"- {hazard.id}: {hazard.hazard} ({HAZARD_STATUSES[hazard.status]})" for hazard in one.hazards)
    if not one.hazards:
        yield "The hazard log names none."
    if one.rests_on:
        yield from ("", "## Read by it, and not signed with it", "")
        yield ", ".join(f"{other.title} ({other.identity.id} {other.identity.version})" for other in one.rests_on)
    yield from ("", "## What was changed, and why", "")
    yield from (f"- {limit}" for limit in one.changes.limits)
    yield from filter(None, [one.changes.versions])
    yield from ("What and why: ____________________", "Decided by: ____________________  date __________")
    yield from ("", "## Signatures", "")
    yield from (f"Signed for: {_named(one.identity)}", f"In the pack: {_named(one.pack)}", "")
    for role, who in zip(ROLES, signed(one.review) if one.review else ("", ""), strict=True):
        yield f"{role}: {who or '____________________  role ____________________  date __________'}"
    yield from (
        "Next review by: " + (str(one.review.next_review) if one.review else "__________"),
        f"Printed {one.day}.",
    )


def origin_in_words(origin: NumberOrigin) -> str:
    """Whose numbers they are, where that can be looked up, and how the rest is settled: ``The source says so (S12,
    line 41). Settled by C5: below 25.``
    """
    cited = "; ".join(f"{statement.id}, {statement.place}" for statement in origin.statements)
    settled = (f"Settled by {one.id}: {one.settlement}." for one in origin.settlements)
    return " ".join([f"{ORIGINS[origin.basis]}{f' ({cited})' if cited else ''}.", *settled])


def rests_in_words(words: RowWords) -> str:
    """What a rule rests on, in short: its statement, whose word it is, the settlements."""
    rule = words.rule
    own = OWN_LIMIT if words.limits else ""
    return ", ".join(filter(None, [rule.statement, BASES.get(rule.basis, ""), own, *rule.settles]))


def _row(one: Sheet, words: RowWords) -> Sequence[str]:
    then = f"**{words.severity}** {as_text(words.then)}" if words.severity else as_text(words.then)
    asked = [f"{column.label}: {cell.words}" for column, cell in one.table.asked(words)]
    return f"`{words.rule.id}`", then, "; ".join(asked) or "in every other case", rests_in_words(words)


def _named(one: Identity) -> str:
    state = "locked" if one.is_locked else "not locked"
    return f"{one.id} {one.version}, sha256 {one.digest} ({state})"
