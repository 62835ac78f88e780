"""Spellings of units made from parts, each beside the UCUM code that it means.

The parts are written down here once more, by hand and not from the tables of ``cds_service``: a row that is wrong or
missing there is noticed here. Every part is met with every part that it can stand beside, so the number of spellings
is far above what anyone would write into a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

MICRO = ("u", "\u00b5", "\u03bc", "mc")

VOLUMES: Mapping[str, tuple[str, ...]] = {
    "uL": (
        *(f"{micro}{litre}" for micro in MICRO for litre in "Ll"),
        *("microL", "microl", "microliter", "Microliter", "microliters", "microlitre", "microlitres", "MicroLiter"),
        *("mm3", "mm^3", "mm³", "mm*3", "mm**3", "cumm", "Cumm", "cmm", "cu mm", "cu.mm", "cu. mm"),
    ),
    "nL": ("nL", "nl", "nanoliter", "nanolitre", "nanoliters", "Nanolitres", "nanoL"),
    "mL": ("mL", "ml", "milliliter", "millilitre", "milliliters", "millilitres"),
    "dL": ("dL", "dl", "deciliter", "decilitre", "Deciliters"),
    "L": ("L", "l", "liter", "litre", "liters", "Litres"),
}

_BEFORE_TEN = ("", "x", "x ", "X", "X ", "*", "* ", "×", "× ")
_RAISED = ("*{}", "^{}", "E{}", "e{}", "**{}", "+{}", "~{}", " {}", "x{}", "({})", "[{}]")
_SUPERSCRIPT = {"3": "³", "4": "⁴", "6": "⁶", "9": "⁹"}
_WORDS = {
    "3": (
        *("K", "k", "thou", "Thou", "THOU", "thous", "thousand", "Thousand", "thousands", "Thousands", "Tsd", "tsd"),
        *("Tsd.", "1000", "x1000", "x 1000", "X1000", "×1000", "*1000"),
    ),
    "5": ("lakh", "lakhs", "Lakhs"),
    "9": ("G", "Gpt", "giga", "Giga", "Mrd", "mrd", "Mrd.", "Bil", "bil"),
}
# The counts of platelets that laboratories give: the power of ten and the volume it is counted in.
_COUNTS = (("", "uL"), ("3", "uL"), ("4", "uL"), ("5", "uL"), ("", "nL"), ("6", "mL"), ("6", "L"), ("9", "L"))


def spellings(analyte: str) -> dict[str, str]:
    """The spellings made for an analyte of ``units.yaml``, each with its UCUM code."""
    made = dict(_MADE[analyte]())
    capitals = {spelling.upper(): code for spelling, code in made.items() if spelling.upper() not in made}
    return made | {spelling: code for spelling, code in capitals.items() if _in_capitals(spelling)}


def _in_capitals(spelling: str) -> bool:
    """A single letter says nothing by its case."""
    return sum(character.isalpha() for character in spelling) > 1


def _powers(power: str) -> Iterator[str]:
    """Every way to write a power of ten, or that there is none."""
    if not power:
        yield from ("", "1")
        return
    yield from _WORDS.get(power, ())
    if power in _SUPERSCRIPT:
        raised = [*(way.format(power) for way in _RAISED), _SUPERSCRIPT[power]]
        yield from (f"{before}10{exponent}" for before in _BEFORE_TEN for exponent in raised)


def _over(above: str, volume: str, ucum: str) -> Iterator[tuple[str, str]]:
    """A numerator over a volume, in every way to write a division."""
    yield f"{above}/{volume}", ucum
    yield f"{above} / {volume}", ucum
    yield f"{above} per {volume}".strip(), ucum
    yield f"{above} PER {volume}".strip(), ucum
    if volume.isidentifier() or volume.startswith("mm"):
        for join, inverse in product((".", " ", "·") if above else ("",), ("-1", "^-1", "⁻¹")):
            yield f"{above}{join}{volume}{inverse}", ucum


def _counts() -> Iterator[tuple[str, str]]:
    things = ("{}{{cells}}", "{}#", "# {}", "{} cells", "{}cells", "cells {}", "{} platelets", "{} cell", "platelet {}")
    for power, volume in _COUNTS:
        ucum = f"10*{power}/{volume}" if power else f"/{volume}"
        yield from ((f"{above}/{below}", ucum) for above, below in product(_powers(power), VOLUMES[volume]))
        above = {"5": "lakhs", "": ""}.get(power, f"10*{power}")
        for below in VOLUMES[volume]:
            yield from _over(above, below, ucum)
        if power in ("", "3", "9"):
            for thing, counted in product(things, (above, above.replace("*", "^"))):
                yield from _over(thing.format(counted).strip(), volume, ucum)
    yield from ((f"{word} cells/uL", "10*3/uL") for word in ("K", "thousand", "Thou"))
    yield from ((f"{{{word}}}10*9/L", "10*9/L") for word in ("platelets", "plt", "cells of blood"))


def _measures(base: str, multiples: str) -> Iterator[tuple[str, str]]:
    """A base unit with each prefix of ``multiples`` (``-`` for none), as symbols and in words."""
    words = {"p": "pico", "n": "nano", "u": "micro", "m": "milli", "c": "centi", "d": "deci", "-": ""}
    names = {
        "g": ("gram", "grams"),
        "mol": ("mole", "moles"),
        "m": ("meter", "meters", "metre", "metres"),
    }[base]
    for multiple in multiples:
        ucum = f"{multiple}{base}".lstrip("-")
        symbols = MICRO if multiple == "u" else (multiple.replace("-", ""),)
        yield from ((f"{symbol}{base}", ucum) for symbol in symbols)
        yield from ((f"{words[multiple]}{name}", ucum) for name in names)
        yield from ((f"{words[multiple]}{name}".capitalize(), ucum) for name in names)
        if multiple != "-":
            yield f"{words[multiple]}{base}", ucum


def _amounts(*units: str) -> Iterator[tuple[str, str]]:
    """Masses and amounts of substance over volumes, as the analyte lists them."""
    for unit in units:
        above, _, below = unit.partition("/")
        base = "mol" if above.endswith("mol") else "g"
        for spelled, _ in _measures(base, above.removesuffix(base) or "-"):
            for volume in VOLUMES[below]:
                yield from _over(spelled, volume, unit)
            yield f"{spelled}{{substance}}/{below}", unit
            yield f" {spelled}/\u00a0{below} ", unit


def _body_surface() -> Iterator[tuple[str, str]]:
    ucum = "mL/min/{1.73_m2}"
    flows = (
        "mL/min",
        "ml/min",
        "ML/min",
        "mL / min",
        "mL per min",
        "ml/minute",
        "milliliters/min",
        "millilitre per minute",
    )
    flows += ("milliliter/min", "millilitres/min")
    squares = (
        "m2",
        "m^2",
        "m*2",
        "m**2",
        "m²",
        "m[2]",
        "m(2)",
        "sqm",
        "sq m",
        "sq.m",
        "sq. m",
        "msq",
        "m sq",
        "msquared",
    )
    squares += ("m squared", "square m", "meterssquared", "squaremeters", "square meters", "square metres", "sq meter")
    squares += ("metre squared", "M2")
    ends = tuple(
        f"{number}{between}{square}"
        for number, between, square in product(("1.73", "1,73"), ("", " ", "_", "/", "*"), squares)
    )
    ends += ("1.73", "1,73", "1.73^2", "1.73*2", "1.73**2", "1.73²")
    for flow, end in product(flows, ends):
        yield f"{flow}/{end}", ucum
    for end in ends:
        for whole in ("mL/min/{{{}}}", "mL/min/({})", "mL/min/[{}]", "mL/min{{{}}}", "mL/min per {}", "mL/min*{}"):
            yield whole.format(end), ucum
        for whole in (
            "({})",
            "{{{}}}",
            "[{}]",
            "(ckd-epi){}",
            "{} (CKD-EPI)",
            "{} ckd-epi",
            "CKD EPI {}",
            "{}{{CKDEPI}}",
        ):
            yield whole.format(f"ml/min/{end}"), ucum


def _plain(base: str, multiples: str) -> Iterator[tuple[str, str]]:
    """Measures by themselves, with blanks and annotations around them."""
    for spelled, ucum in _measures(base, multiples):
        yield from ((form.format(spelled), ucum) for form in _around())


def _international() -> Iterator[tuple[str, str]]:
    """International units as they are written in several languages, in capitals and without."""
    written = ("[iU]", "[IU]", "IU", "iu", "Iu", "I.U.", "i.u.", "IE", "ie", "I.E.", "i.E.", "UI", "ui", "U.I.", "u.i.")
    words = ("international unit", "international units", "International Unit", "International Units")
    words += ("internationale Einheit", "internationale Einheiten", "Unité internationale", "unités internationales")
    words += ("Unidad internacional", "unidades internacionales")
    for spelled in (*written, *words):
        yield from ((form.format(spelled), "[iU]") for form in _around())


def _around() -> tuple[str, ...]:
    """Blanks and annotations that may stand around a measure."""
    around = ("{}", " {}", "{} ", "\u00a0{}", "\t{}", "{}{{total}}", "{}{{given}}", "{} {{given}}", "{}{{B12}}")
    around += ("{}{{as_base}}", "{{x}}{}", "{}{{of drug}}", "{}{{#}}", "\u202f{}\u202f", "{}{{in all}}", "{}{{a_day}}")
    return around


_MADE = {
    "platelets": _counts,
    "vitamin-b12": lambda: _amounts("pg/mL", "ng/L", "pmol/L", "ng/dL", "ng/mL", "ug/L"),
    "creatinine": lambda: _amounts("mg/dL", "mg/L", "umol/L", "mmol/L"),
    "homocysteine": lambda: _amounts("umol/L", "nmol/mL", "mg/L", "mg/dL"),
    "egfr": _body_surface,
    "dose": lambda: _plain("g", "um-"),
    "international-dose": _international,
    "length": lambda: _plain("m", "mc-"),
}
