"""What ``cds-service population check`` says: in lines for people, and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from cds_service.commands.common import number
from cds_service.content.model import Pack
from cds_service.content.render import plain
from cds_service.fhir.codes import name_of
from cds_service.population.export_check import FEWEST_PATIENTS, ExportCheck, OrderedAs
from cds_service.population.export_files import shown_path
from cds_service.population.read_export import in_words

_MOST_LINES = 20  # broken ones that are named
_MEGABYTE = 1_000_000


def as_text(found: ExportCheck, pack: Pack) -> Iterator[str]:
    """What an export holds, what of it is wrong, and which drugs nobody understands."""
    counts, export = found.counts, found.export
    size = sum(file.size for file in export.files) / _MEGABYTE
    made = f", made {export.transaction_time}" if export.transaction_time else ", which does not say when it was made"
    yield f"{number(len(export.files), 'file')}, {size:,.1f} MB{made}: {counts.lines:,} lines"
    for kind, times in counts.types.most_common():
        undated = f", {found.undated[kind]:,} without a date that can be read" if found.undated[kind] else ""
        yield f"  {times:>11,}  {kind or 'of no type'}{undated}"
    if found.read.not_read:
        yield f"Not read, because no rule asks for them: {', '.join(found.read.not_read)}"
    yield from in_words(found.read)
    missing = types_missing(found, pack)
    if missing:
        yield f"Not in the export, so that nothing is known of it: {', '.join(missing)}"
    yield from _problems(found)
    yield from _orderables(found, pack)


def types_missing(found: ExportCheck, pack: Pack) -> list[str]:
    """The types of resource that rules ask for and that the export has none of. Some servers leave them out where there
    are none, and others where nobody may read them.
    """
    wanted = {search.resource for search in pack.searches.values() if not search.optional}
    return sorted(wanted.difference(found.counts.types))


def _problems(found: ExportCheck) -> Iterator[str]:
    problems = _all_problems(found)
    yield ""
    if not problems:
        part = "" if found.read.is_whole else " of what was read"
        yield f"Every line{part} can be read, and everything that is referred to is there."
        return
    yield "What cannot be used as it is:"
    for (problem, kind), times in sorted(problems.items()):
        yield f"  {times:>11,}  {problem}" + (f" ({kind})" if kind else "")
    broken = sorted(found.counts.broken)
    yield from (f"  {shown_path(line.file)}:{line.line}: {line.problem}" for line in broken[:_MOST_LINES])
    if len(broken) > _MOST_LINES:
        yield f"  and {len(broken) - _MOST_LINES} more lines"


def _all_problems(found: ExportCheck) -> Counter[tuple[str, str]]:
    return +(found.counts.problems + found.problems)


def _orderables(found: ExportCheck, pack: Pack) -> Iterator[str]:
    for title, chosen in (
        ("Ordered, and named like a drug of this content, but no code tells it:", True),
        ("Ordered, and nobody can tell what it is:", False),
    ):
        rows = [row for row in found.orderables if row.spelling.is_like_ours is chosen]
        if rows:
            yield ""
            yield title
            yield from (
                f"  {row.times:>11,}  {_spelled(row.spelling)}: {pack.reasons[row.spelling.reason]}" for row in rows
            )
    if found.rare:
        yield ""
        rare = f"{number(found.rare, 'more spelling')}, ordered {number(found.rare_times, 'time')}"
        yield f"{rare}: not shown, because fewer than {FEWEST_PATIENTS} patients have it."
    if found.site_lines:
        yield ""
        yield "Lines for site.toml; each question mark is to be replaced by one of the choices above it:"
        yield ""
        yield found.site_lines


def _spelled(spelling: OrderedAs) -> str:
    system = name_of(spelling.system) or spelling.system
    code = f"{system}|{spelling.code}" if system else spelling.code
    return " ".join(filter(None, [code, f'"{plain(spelling.words)}"' if spelling.words else ""])) or "(nothing coded)"


def as_data(found: ExportCheck, pack: Pack) -> dict[str, Any]:
    """The same as JSON."""
    return {
        **msgspec.to_builtins(found.read),
        "lines": found.counts.lines,
        "types": dict(found.counts.types),
        "typesMissing": types_missing(found, pack),
        "undated": dict(found.undated),
        "problems": [
            {"problem": problem, "resource": kind or None, "times": times}
            for (problem, kind), times in sorted(_all_problems(found).items())
        ],
        "broken": [
            {"file": shown_path(line.file), "line": line.line, "problem": line.problem}
            for line in sorted(found.counts.broken)
        ],
        "orderables": [
            {
                "system": row.spelling.system,
                "code": row.spelling.code,
                "words": plain(row.spelling.words),
                "reason": row.spelling.reason,
                "likeOurs": row.spelling.is_like_ours,
                "times": row.times,
            }
            for row in found.orderables
        ],
        "rareSpellings": found.rare,
        "rareTimes": found.rare_times,
        "site.toml": found.site_lines,
    }
