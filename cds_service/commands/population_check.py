"""What ``cds-service population check`` says: in lines for people, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cds_service.commands.common import number
from cds_service.content.model import Pack
from cds_service.content.render import in_words, plain
from cds_service.content.site_lines import as_toml
from cds_service.fhir.codes import name_of
from cds_service.population.export_check import ExportCheck, NotRecognised
from cds_service.population.known_results import NOT_ASKED_FOR
from cds_service.population.read_export import in_words as read_in_words
from cds_service.population.shared_counts import FEWEST_PATIENTS
from cds_service.population.spellings import Rare
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.path_text import path_text

_MOST_LINES = 20  # broken ones that are named
_MOST_FACTS = 3  # that are named of a type that is missing
_MEGABYTE = 1_000_000


def as_text(found: ExportCheck, pack: Pack) -> Iterator[str]:
    """What an export holds, what of it is wrong, and which drugs and results nobody understands."""
    counts, export = found.counts, found.export
    size = sum(file.size for file in export.files) / _MEGABYTE
    made = f", made {export.transaction_time}" if export.transaction_time else ", which does not say when it was made"
    yield f"{number(len(export.files), 'file')}, {size:,.1f} MB{made}: {counts.lines:,} lines"
    yield from (f"  {times:>11,}  {kind or 'of no type'}" for kind, times in counts.types.most_common())
    if found.read.not_read:
        yield f"Not read, because no rule asks for them: {', '.join(found.read.not_read)}"
    yield from read_in_words(found.read)
    yield from _missing(found)
    yield from _problems(found)
    yield from _recognised(found)
    yield from _not_recognised(found, pack)
    if found.site_lines:
        yield ""
        yield "Lines for site.toml; each question mark is to be replaced by one of the choices above it:"
        yield ""
        yield found.site_lines


def _missing(found: ExportCheck) -> Iterator[str]:
    if found.missing:
        yield ""
        yield "Not in the export at all, so that nothing is known of what rules read there:"
    for kind, facts in found.missing.items():
        more = len(facts) - _MOST_FACTS
        named = [*facts[:_MOST_FACTS], *([f"and {more} more"] if more > 0 else [])]
        yield f"  {kind}: {'; '.join(named)}"


def _problems(found: ExportCheck) -> Iterator[str]:
    yield ""
    if not found.problems:
        but = ", but types are missing, as said above" if found.missing else ""
        lines = "Every line" if found.read.is_whole else "Every line of what was read"
        yield f"{lines} can be read and is dated, and each patient and Medication that is referred to is there{but}."
        return
    yield "What cannot be used as it is:"
    for (problem, kind), times in sorted(found.problems.items()):
        yield f"  {times:>11,}  {problem}" + (f" ({kind})" if kind else "")
    broken = sorted(found.counts.broken)
    yield from (f"  {path_text(line.file)}:{line.line}: {line.problem}" for line in broken[:_MOST_LINES])
    if len(broken) > _MOST_LINES:
        yield f"  and {number(len(broken) - _MOST_LINES, 'more line')}"


def _recognised(found: ExportCheck) -> Iterator[str]:
    if found.names:
        yield ""
        yield "Results that rules ask for, recognised by their codes:"
        yield from (f"  {found.recognised[key]:>11,}  {name}" for key, name in found.names.items())


def _not_recognised(found: ExportCheck, pack: Pack) -> Iterator[str]:
    ordered, results = found.orderables, found.results
    for title, rows in (
        (
            "Results that have the name or the code of one of these, and that no rule can use:",
            _of(results, Kind.CODE),
        ),
        (
            "Results of one of these with a unit that is not understood, so that no rule can use the number:",
            _of(results, Kind.UNIT),
        ),
        (
            "Ordered, and known by its name only. These orders are in the run; with a code more can be said of them:",
            [row for row in ordered if row.is_judged],
        ),
        (
            "Ordered, and named like a drug of this content, but no code tells it. These orders are not in the run:",
            [row for row in ordered if not row.is_judged and row.is_like_ours],
        ),
        (
            "Ordered, and nobody can tell what it is. These orders are not in the run:",
            [row for row in ordered if not row.is_judged and not row.is_like_ours],
        ),
    ):
        if rows:
            yield ""
            yield title
            yield from (f"  {row.times:>11,}  {_spelled(row)}: {_why(row, pack)}" for row in rows)
    yield from _rare("spelling of a drug", "spellings of drugs", found.rare_orderables)
    yield from _rare("spelling of a result", "spellings of results", found.rare_results)


def _of(rows: Sequence[NotRecognised], kind: Kind) -> list[NotRecognised]:
    return [row for row in rows if row.spelling.kind is kind]


def _rare(one: str, several: str, rare: Rare) -> Iterator[str]:
    if rare.spellings:
        yield ""
        what = f"{rare.spellings:,} more {one if rare.spellings == 1 else several}, met {number(rare.times, 'time')}"
        yield f"{what}: not shown, because fewer than {FEWEST_PATIENTS} patients have it."


def _why(row: NotRecognised, pack: Pack) -> str:
    """Why a spelling is not understood, and what can be done where no line of a site can map it."""
    if row.why.key == NOT_ASKED_FOR:
        return "A code of it is known, but searches do not ask for results by that one."
    why = in_words(pack, row.why)
    if row.is_judged and not row.proposed:
        return f"{why} No code was sent, so nothing has to be done."
    return why


def _spelled(row: NotRecognised) -> str:
    sent = row.spelling
    system = name_of(sent.system) or sent.system
    code = f"{system}|{sent.code}" if system else sent.code
    words = f'"{plain(sent.words)}"' if sent.words and sent.words != sent.code else ""
    about = f"({sent.about})" if sent.kind is Kind.UNIT else ""
    return " ".join(filter(None, [" ".join(filter(None, [code, words])) or "(nothing coded)", about]))


def as_data(found: ExportCheck, pack: Pack) -> dict[str, Any]:
    """The same as JSON."""
    return {
        **msgspec.to_builtins(found.read),
        "lines": found.counts.lines,
        "types": dict(found.counts.types),
        "typesMissing": {kind: list(facts) for kind, facts in found.missing.items()},
        "problems": [
            {"problem": problem, "resource": kind or None, "times": times}
            for (problem, kind), times in sorted(found.problems.items())
        ],
        "broken": [
            {"file": path_text(line.file), "line": line.line, "problem": line.problem}
            for line in sorted(found.counts.broken)
        ],
        "recognised": [
            {"search": key, "name": name, "times": found.recognised[key]} for key, name in found.names.items()
        ],
        "results": [
            _row(row, pack) | {"kind": str(row.spelling.kind), "of": row.spelling.about} for row in found.results
        ],
        "orderables": [
            _row(row, pack) | {"likeOurs": row.is_like_ours, "inTheRun": row.is_judged} for row in found.orderables
        ],
        "rareSpellings": found.rare_orderables.spellings,
        "rareTimes": found.rare_orderables.times,
        "rareResultSpellings": found.rare_results.spellings,
        "rareResultTimes": found.rare_results.times,
        "site.toml": found.site_lines,
    }


def _row(row: NotRecognised, pack: Pack) -> dict[str, Any]:
    return {
        "system": row.spelling.system,
        "code": row.spelling.code,
        "words": plain(row.spelling.words),
        "reason": row.spelling.reason,
        "why": _why(row, pack),
        "times": row.times,
        "site.toml": as_toml(row.proposed),
    }
