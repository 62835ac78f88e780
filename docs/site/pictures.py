"""The pictures of the documents, as SVG in ``docs/pictures``: ``make pictures``. Narrow, to be read on a phone.

The rooms of the code come from the import contract in ``pyproject.toml``, so that picture cannot be out of date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/pictures"
_WIDTH = 460
_LINE = 20
_STYLE = (
    "text{font:15px system-ui,sans-serif;fill:#1b2733}"
    ".head{font-weight:600}.note{font-size:13.5px;fill:#4a5a68}"
    "rect{fill:#eef4f8;stroke:#3d6480;stroke-width:1.3}.page{fill:#fff;stroke:none}.own{fill:#d5e7f2}"
    "path{fill:none;stroke:#3d6480;stroke-width:1.5;marker-end:url(#tip)}"
)


def svg(title: str, height: int, parts: Iterable[str]) -> str:
    """One picture. ``title`` is read out where it cannot be seen."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse">'
        '<polygon points="0,0 8,4 0,8" fill="#3d6480"/></marker></defs>\n'
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def box(x: int, y: int, width: int, lines: Sequence[str], kind: str = "") -> str:
    """A box with its lines in the middle; the first is its heading. Its height is that of its lines."""
    rect = f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{tall(lines)}" rx="6"/>'
    texts = [
        words(x + width // 2, y + 24 + number * _LINE, line, "head" if number == 0 else "note")
        for number, line in enumerate(lines)
    ]
    return "\n".join([rect, *texts])


def tall(lines: Sequence[str]) -> int:
    """How high a box with these lines is."""
    return len(lines) * _LINE + 16


def words(x: int, y: int, text: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def arrow(*points: tuple[int, int], both: bool = False) -> str:
    """A line through the points, with a tip at its end, or at both."""
    route = " ".join(f"{'L' if number else 'M'}{x} {y}" for number, (x, y) in enumerate(points))
    start = ' marker-start="url(#tip)"' if both else ""
    return f'<path d="{route}"{start}/>'


def system() -> str:
    """What talks to what."""
    return svg(
        "The EHR sends an order and the chart to cds-service and shows the cards that it answers. cds-service may read "
        "more from the EHR's FHIR server, decides by the content, and keeps feedback and counts.",
        442,
        [
            box(90, 14, 280, ["The EHR", "a prescriber writes an order"]),
            arrow((150, 70), (150, 158)),
            words(140, 94, "the order and", "note", "end"),
            words(140, 114, "the chart, with a", "note", "end"),
            words(140, 134, "signed token", "note", "end"),
            arrow((220, 158), (220, 70)),
            words(228, 104, "cards, silence", "note", "start"),
            words(228, 124, "or an error", "note", "start"),
            arrow((340, 70), (340, 158)),
            words(350, 104, "later:", "note", "start"),
            words(350, 124, "feedback", "note", "start"),
            box(60, 160, 340, ["cds-service", "facts are read, tables decide,", "each suggestion is tried"], "own"),
            arrow((110, 236), (110, 320), both=True),
            words(100, 264, "searches,", "note", "end"),
            words(100, 284, "if allowed", "note", "end"),
            arrow((230, 320), (230, 236)),
            arrow((350, 236), (350, 320)),
            words(360, 274, "feedback", "note", "start"),
            box(10, 322, 140, ["FHIR server", "of the EHR", "only read"]),
            box(160, 322, 140, ["Content", "cards/, and", "your site.toml"]),
            box(310, 322, 140, ["Store", "feedback, counts,", "no patient data"]),
            words(230, 424, "All of this can run inside the hospital.", "note"),
        ],
    )


def request() -> str:
    """The way of a request through the rooms, as ``judge/evaluate.py`` goes it."""
    steps = [
        ["service", "finds out who calls, reads the body,", "and gives it to a thread"],
        ["protocol", "checks and decodes the envelope;", "the prefetch stays undecoded"],
        ["judge", "is a selected order one that the content", "is about? If not: no cards, at once"],
        ["chart", "decodes the prefetch key by key;", "what was not sent, net fetches if allowed"],
        ["chart", "makes one fact for each declaration,", "with the evidence it was read from"],
        ["content", "decision tables: facts in, findings out"],
        ["judge", "findings become cards; each suggestion", "is tried before it is offered"],
        ["service", "sends the answer"],
    ]
    parts, y = [], 14
    for number, step in enumerate(steps):
        parts.append(box(50, y, 360, step, "own" if number in (0, len(steps) - 1) else ""))
        y += tall(step)
        if number < len(steps) - 1:
            parts.append(arrow((230, y), (230, y + 24)))
            y += 26
    return svg(
        "A request goes through these steps, from top to bottom: " + "; ".join(s[0] for s in steps), y + 14, parts
    )


def rooms() -> str:
    """The floors of the code: each may import what is below it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    parts, y = [], 14
    for layer in layers:
        names = [name for name in re.split(r" [|:] ", layer) if not name.startswith("(")]
        width = (400 - (len(names) - 1) * 8) // len(names)
        parts += [box(30 + number * (width + 8), y, width, [name]) for number, name in enumerate(names)]
        y += tall(["one"]) + 6
    parts.append(arrow((446, 20), (446, y - 12)))
    title = "The rooms of the code, one floor below the other; a room imports only from floors below it"
    return svg(f"{title}: {'; '.join(layers)}", y + 8, parts)


PICTURES = {"system.svg": system, "request.svg": request, "rooms.svg": rooms}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, drawn in PICTURES.items():
        (FOLDER / name).write_text(drawn(), encoding="utf-8")
