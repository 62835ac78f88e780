"""How laboratories and order systems spell the parts of a unit. Data only; ``units`` reads with it (Z43).

The rows stand in Python and not in a content file: they are the same for every pack, they are read before any content
is, and a type checker sees them. Which units an analyte may arrive in, and what each of them is worth, is the
content's (``units.yaml``); a row here says only that two spellings of a part mean the same.

Three kinds of part are told apart by how their case counts. A *symbol* counts as it is written, because case changes
its meaning (``m`` and ``M``, ``g`` and ``G``), apart from the letters in ``either_case``. A *word* counts in any case.
A unit written in capitals as a whole has no case that could mean anything and is compared in capitals.

The comment of a row names where the spelling was seen: in data or examples of public projects, in a published table
of units, or in a national programme's test data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spellings:
    """The tables of the grammar. A mapping goes from a spelling to what it means, in UCUM or as a power of ten."""

    # Letters that are met in both cases in one and the same symbol: k/ul, K/uL (US exports); 10*9/l (UCUM has l and L).
    either_case: str = "KL"
    # A whole unit in capitals: THOU/MM3, X10E3/UL, MG/DL (systems that keep no lower case).
    whole_in_capitals: bool = True

    # --- powers of ten of a count

    # Before 10: x10^3/uL, X10E3/uL (US displays), *10^9/L (UK and Chinese reports), ×10⁹/L (print).
    before_ten: tuple[str, ...] = ("x", "X", "*", "×")
    # Between 10 and its exponent.
    exponent_marks: tuple[str, ...] = (
        "*",  # 10*3/uL: UCUM
        "^",  # 10^3/uL: US displays
        "E",  # 10E3/uL: US displays, CDISC data
        "e",  # 10e9/L: CDISC data
        "**",  # 10**3/uL: OMOP source values
        "+",  # 10+3/ul: US quality measures (QRDA); refused by UCUM's own test cases
        "~",  # x10~3/uL: Brazilian laboratories, where ~ makes a superscript
        " ",  # 10 3/uL: OMOP source values
        "x",  # 10x3/uL: US displays
    )
    # Around the exponent: x10(3)/mcL (US displays), 10[3]/uL (OMOP source values).
    exponent_brackets: tuple[str, ...] = ("()", "[]")
    # Other exponents have not been met with counts, or stand for other cells: 10*12 is of red cells.
    exponents: Mapping[str, int] = field(
        default_factory=lambda: {
            "3": 3,  # 10*3/uL
            "4": 4,  # 10*4/uL: Japanese laboratories; an HL7 table of units
            "6": 6,  # 10*6/mL, x10^6/L: CDISC data
            "9": 9,  # 10*9/L
        }
    )
    # 10³/µL, 10⁹/L: displays that can.
    superscripts: Mapping[str, str] = field(default_factory=lambda: {"²": "2", "³": "3", "⁴": "4", "⁶": "6", "⁹": "9"})
    # Digits in full, also behind what may stand before 10.
    powers_in_digits: Mapping[str, int] = field(default_factory=lambda: {"1000": 3})  # x1000/uL, 1000/mcL: US papers
    # 1/nl, 1/µl: German analysers; valid UCUM too.
    one: tuple[str, ...] = ("1",)
    power_symbols: Mapping[str, int] = field(
        default_factory=lambda: {
            "K": 3,  # K/uL: US laboratories, MIMIC
            "G": 9,  # G/L: French and Austrian laboratories
        }
    )
    power_words: Mapping[str, int] = field(
        default_factory=lambda: {
            "thou": 3,  # THOU/uL: US exports
            "thous": 3,  # THOUS/MCL: HL7's example of a translated unit
            "thousand": 3,  # THOUSAND/UL: a large US laboratory
            "thousands": 3,  # Thousands/uL
            "tsd": 3,  # Tsd/µl: German reports
            "tsd.": 3,  # Tsd./µl: German reports
            "lakh": 5,  # lakh/cumm: Indian reports
            "lakhs": 5,  # lakhs/cumm: Indian reports
            "gpt": 9,  # Gpt/l: German reports ("Gigapartikel")
            "giga": 9,  # giga.l-1: French HL7 v2 messages
            "mrd": 9,  # Mrd/l: German reports ("Milliarde")
            "mrd.": 9,  # Mrd./l
            "bil": 9,  # Bil/L: US displays
        }
    )
    # What is counted changes no size: #/uL (MIMIC), cells/uL, 10*9 cells/L. An analyte can add names of its own.
    counted_signs: tuple[str, ...] = ("#",)
    counted_words: tuple[str, ...] = ("cell", "cells")

    # --- measures

    prefix_symbols: Mapping[str, str] = field(
        default_factory=lambda: {
            "": "",
            "p": "p",
            "n": "n",
            "u": "u",
            "\u00b5": "u",  # the micro sign: µg, µmol/L
            "\u03bc": "u",  # the Greek letter: μg, μmol/L
            "mc": "u",  # mcg, mcL, mcmol/L: safe-prescribing rules forbid the sign
            "m": "m",
            "c": "c",
            "d": "d",
        }
    )
    prefix_words: Mapping[str, str] = field(
        default_factory=lambda: {
            "": "",
            "pico": "p",
            "nano": "n",  # /nanoliter: German national test data
            "micro": "u",  # cells per microliter; 10*3/microL: research exports
            "milli": "m",
            "centi": "c",
            "deci": "d",
        }
    )
    base_symbols: Mapping[str, str] = field(default_factory=lambda: {"g": "g", "mol": "mol", "L": "L", "m": "m"})
    base_words: Mapping[str, str] = field(
        default_factory=lambda: {
            "gram": "g",
            "grams": "g",
            "mole": "mol",
            "moles": "mol",
            "liter": "L",
            "liters": "L",
            "litre": "L",
            "litres": "L",
            "meter": "m",
            "meters": "m",
            "metre": "m",
            "metres": "m",
        }
    )
    # International units, by the letters of a language and in words, in any case. No prefix is read, because MIU is a
    # thousandth or a million of them. Nor are U, unit and units: UCUM's U is of enzymes, and a unit may be a tablet.
    international_units: tuple[str, ...] = (
        "[iU]",  # UCUM, also in capitals
        "IU",  # UCUM's print symbol; FHIR examples
        "I.U.",  # labels of vitamins
        "IE",  # German and Dutch labels: internationale Einheit, eenheid
        "I.E.",  # German labels
        "UI",  # French, Italian, Spanish and Portuguese labels
        "U.I.",  # Italian and Spanish labels
        "international unit",  # UCUM's name
        "international units",
        "internationale Einheit",  # what the letters stand for in German, French and Spanish
        "internationale Einheiten",
        "unité internationale",
        "unités internationales",
        "unidad internacional",
        "unidades internacionales",
    )
    # A microlitre is a cubic millimetre: mm3 (UCUM), mm^3, mm³, mm*3, mm**3.
    cubes: Mapping[str, str] = field(default_factory=lambda: {"mm": "uL"})
    cube_marks: tuple[str, ...] = ("", "^", "*", "**")
    volume_words: Mapping[str, str] = field(
        default_factory=lambda: {
            "cumm": "uL",  # /cumm: Indian reports; K/cumm
            "cmm": "uL",  # K/CMM: US veterans' hospitals
            "cu mm": "uL",  # /cu mm
            "cu.mm": "uL",  # cells/cu.mm: Indian reports
            "cu. mm": "uL",
        }
    )
    per_words: tuple[str, ...] = ("per",)  # cells per microliter
    # uL-1, giga.l-1, 10^9 L⁻¹: French messages, Japanese tables, papers.
    inverse_marks: tuple[str, ...] = ("-1", "^-1", "⁻¹")
    products: tuple[str, ...] = (".", "·", " ")

    # --- body surface

    # ml/min/1.73m2; "milliliter per minute per 1.73 square meter" is how UCUM's tables display the code.
    flows: tuple[str, ...] = ("ml", "milliliter", "milliliters", "millilitre", "millilitres")
    before_minute: tuple[str, ...] = ("/", "per")
    minutes: tuple[str, ...] = ("min", "minute")
    # 1.73 and with a decimal comma (European reports).
    surfaces: tuple[str, ...] = ("1.73", "1,73")
    before_surface: tuple[str, ...] = ("/", "per", "*", "")  # mL/min per 1.73 m2; mL/min{1.73_m2} has none
    after_surface: tuple[str, ...] = ("/", "*", "_", "")  # 1.73/m2, 1.73_m2
    metres: tuple[str, ...] = ("m", "meter", "meters", "metre", "metres")
    square_marks: tuple[str, ...] = ("", "^", "*", "**")  # m2, m^2, m*2, m**2, 1.73^2, and m²
    square_words: tuple[str, ...] = ("sq", "sq.", "square", "squared")  # sqm, sq.m, msq, m squared, square meters
    # (ml/min/1.73), mL/min/[1.73_m2], {ml/min/1.73m^2}, m[2]: laid around parts, they mean nothing.
    surface_brackets: str = "()[]{}"
    # (ckd-epi)ml/min/1.73m2, mL/min/1.73m2 (CKD-EPI)
    equations: tuple[str, ...] = ("ckd-epi", "ckd epi", "ckdepi")


SPELLINGS = Spellings()
