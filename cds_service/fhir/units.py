"""Units as they are spelled, read by a declared grammar and then exactly (Z43).

A grammar knows how the parts of one kind of unit are written (``unit_spellings``) and puts them together to the UCUM
code that is meant. The analyte says which grammar is its own, which UCUM codes it may arrive in, and what each of them
is worth in its canonical unit (``units.yaml``). So ``K/uL`` is 10*3/uL for a count, and ``10*3/L``, which the grammar
reads as well, is still refused because no count of this analyte comes in it. What is not understood is refused; no
spelling is guessed, and a unit is never chosen by the number beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TypeVar

from cds_service.fhir.unit_spellings import SPELLINGS, Spellings
from cds_service.vocabulary.declarations import Analyte

LONGEST_UNIT = 64  # characters; the longest seen has about forty
_KEPT = 2048  # spellings remembered, so that hostile ones take at most this many times ``LONGEST_UNIT`` of memory
_T = TypeVar("_T")


def ucum_of(analyte: Analyte, spelling: str) -> str:
    """The UCUM code that ``spelling`` (a code or a unit text) means for this analyte; ``""`` if it is refused.

    The units and aliases that the content lists are looked up first. The grammar is asked for the rest, and what it
    read is remembered, so that a spelling costs a parse only the first time.
    """
    code = analyte.aliases.get(spelling, spelling)
    if code in analyte.factors:
        return code
    if not analyte.grammar or not spelling or len(spelling) > LONGEST_UNIT:
        return ""
    code = _read(analyte.grammar, analyte.counted, spelling)
    return code if code in analyte.factors else ""


@lru_cache(maxsize=_KEPT)
def _read(grammar: str, counted: tuple[str, ...], spelling: str) -> str:
    return GRAMMAR.read(grammar, spelling, counted)


class Grammar:
    """The spellings, laid out for reading: every part of a unit is one look-up.

    ``read`` is a pure function of a grammar's name and a text, linear in the length of the text.
    """

    def __init__(self, spellings: Spellings = SPELLINGS) -> None:
        self._as_written = _Reading(spellings, in_capitals=False)
        self._in_capitals = _Reading(spellings, in_capitals=True) if spellings.whole_in_capitals else None

    def read(self, grammar: str, spelling: str, counted: Iterable[str] = ()) -> str:
        """The UCUM code of a spelling by the grammar of that name, ``""`` where it is not understood.

        ``counted`` are words for what is counted, beside those of the tables.

        Raises:
            KeyError: there is no such grammar.
        """
        text = " ".join(spelling.split())
        names = frozenset(word.upper() for word in counted)
        code = self._as_written.read(grammar, text, names)
        if not code and self._in_capitals is not None and text.isupper() and _letters(text) > 1:
            code = self._in_capitals.read(grammar, text, names)
        return code


class _Reading:
    """The tables with each symbol in the cases it is read in: as written, or in capitals."""

    def __init__(self, spellings: Spellings, *, in_capitals: bool) -> None:
        self._spellings = s = spellings
        cased = partial(_cased, either_case=s.either_case, in_capitals=in_capitals)
        self._power_symbols = cased(s.power_symbols)
        self._power_words = _in_upper_case(s.power_words)
        self._before_ten = tuple(cased(dict.fromkeys(s.before_ten, True)))
        self._exponents = cased(dict(_exponents(s)))
        self._measures = {
            unit: (cased(_measure_symbols(s, unit)), _measure_words(s, unit)) for unit in ("g", "mol", "L", "m")
        }
        third = [sign for sign, meant in s.superscripts.items() if meant == "3"]
        marks = [*(f"{mark}3" for mark in s.cube_marks), *third]
        cubes = {f"{edge}{mark}": code for edge, code in s.cubes.items() for mark in marks}
        self._volume_symbols = {**self._measures["L"][0], **cased(cubes)}
        self._volume_words = {**self._measures["L"][1], **_in_upper_case(s.volume_words)}
        self._international = frozenset(spelling.upper() for spelling in s.international_units)
        self._counted_words = frozenset(word.upper() for word in s.counted_words)
        self._surfaces = frozenset(part.upper() for part in _surfaces(s))
        self._grammars: Mapping[str, Callable[[str, frozenset[str]], str]] = {
            "count-per-volume": self._count_per_volume,
            "amount-per-volume": lambda text, _: self._amount_per_volume(text),
            "flow-per-body-surface": lambda text, _: self._flow_per_body_surface(text),
            "mass": lambda text, _: self._measure(self._without_annotations(text), "g"),
            "mass-or-international-units": lambda text, _: self._mass_or_international(self._without_annotations(text)),
            "length": lambda text, _: self._measure(self._without_annotations(text), "m"),
        }

    def read(self, grammar: str, text: str, counted: frozenset[str]) -> str:
        return self._grammars[grammar](text, counted)

    # --- grammars

    def _count_per_volume(self, text: str, counted: frozenset[str]) -> str:
        numerator, volume = self._per_volume(self._without_annotations(text))
        power = self._power(self._without_counted(numerator, counted)) if volume else None
        if power is None:
            return ""
        return f"10*{power}/{volume}" if power else f"/{volume}"

    def _amount_per_volume(self, text: str) -> str:
        numerator, volume = self._per_volume(self._without_annotations(text))
        amount = self._measure(numerator, "g") or self._measure(numerator, "mol")
        return f"{amount}/{volume}" if amount and volume else ""

    def _mass_or_international(self, text: str) -> str:
        """Drugs in international units are prescribed by mass too; what one is worth in the other is the analyte's."""
        return "[iU]" if text.upper() in self._international else self._measure(text, "g")

    def _flow_per_body_surface(self, text: str) -> str:
        """Case never counts here and brackets are only laid around parts, as nothing else is spelled like it."""
        s = self._spellings
        unit = "".join(sign for sign in text.upper() if sign not in s.surface_brackets).strip()
        for equation in (name.upper() for name in s.equations):
            unit = unit.removeprefix(equation).removesuffix(equation).strip()
        rest: str | None = unit
        for parts in (s.flows, s.before_minute, s.minutes, s.before_surface, s.surfaces):
            rest = None if rest is None else _behind(rest, parts)
        return "" if rest is None or "".join(rest.split()) not in self._surfaces else "mL/min/{1.73_m2}"

    # --- parts

    def _per_volume(self, text: str) -> tuple[str, str]:
        """What stands over a volume, and the volume; that one is ``""`` if there is none."""
        above, volume = text, ""
        words = text.split(" ")
        over = [number for number, word in enumerate(words) if word.lower() in self._spellings.per_words]
        if "/" in text:
            above, _, below = text.partition("/")
            volume = self._volume(below.strip())
        elif over:
            above = " ".join(words[: over[0]])
            volume = self._volume(" ".join(words[over[0] + 1 :]))
        else:
            for mark in self._spellings.inverse_marks:
                if text.endswith(mark) and not volume:
                    above, below = self._factors(text.removesuffix(mark))
                    volume = self._volume(below)
        return above.strip(), volume

    def _factors(self, product: str) -> tuple[str, str]:
        """A product parted before its last factor."""
        at = max(product.rfind(sign) for sign in self._spellings.products)
        return (product[:at], product[at + 1 :]) if at >= 0 else ("", product)

    def _volume(self, text: str) -> str:
        return self._volume_symbols.get(text) or self._volume_words.get(text.upper(), "")

    def _measure(self, text: str, unit: str) -> str:
        symbols, words = self._measures[unit]
        return symbols.get(text) or words.get(text.upper(), "")

    def _power(self, text: str) -> int | None:
        """The power of ten that a text means; ``None`` if it means none. Nothing at all is a plain count."""
        if not text or text in self._spellings.one:
            return 0
        power = self._power_symbols.get(text, self._power_words.get(text.upper()))
        if power is not None:
            return power
        for mark in self._before_ten:
            if text.startswith(mark):
                text = text.removeprefix(mark).lstrip()
                break
        if text in self._spellings.powers_in_digits:
            return self._spellings.powers_in_digits[text]
        return self._exponents.get(text.removeprefix("10")) if text.startswith("10") else None

    def _without_counted(self, text: str, counted: frozenset[str]) -> str:
        """What is left of a numerator when the name of what is counted is taken from its start and its end."""
        names = self._counted_words | counted
        for sign in self._spellings.counted_signs:
            text = text.removeprefix(sign).removesuffix(sign).strip()
        head, _, rest = text.partition(" ")
        if head.upper() in names:
            text = rest
        at = len(text)
        while at and text[at - 1].isalpha():
            at -= 1
        if text[at:].upper() in names:
            text = text[:at].rstrip()
        return text

    def _without_annotations(self, text: str) -> str:
        """The text without what stands in braces, which means nothing in UCUM; ``""`` where it would mean something:
        where a number or a power of ten stands in them, or where they do not match.
        """
        if "{" not in text and "}" not in text:
            return text
        kept, *annotated = text.split("{")
        for part in annotated:
            annotation, closed, behind = part.partition("}")
            words = annotation.replace("_", " ").split()
            if not closed or "/" in annotation or any(w[0].isdigit() or self._power(w) is not None for w in words):
                return ""
            kept += behind
        return "" if "}" in kept else " ".join(kept.split())


def _cased(table: Mapping[str, _T], either_case: str, *, in_capitals: bool) -> dict[str, _T]:
    """A table of symbols with each spelling in every case that it is read in.

    Raises:
        ValueError: two rows of different meaning become one spelling.
    """
    cased: dict[str, _T] = {}
    for symbol, meaning in table.items():
        spellings = {symbol.upper()} if in_capitals else {symbol}
        for letter in "" if in_capitals else either_case:
            spellings |= {one.replace(letter, letter.lower()) for one in spellings}
        for spelling in spellings:
            if cased.setdefault(spelling, meaning) != meaning:
                raise ValueError(f"{spelling!r} means {cased[spelling]!r} and {meaning!r}")
    return cased


def _exponents(s: Spellings) -> Iterator[tuple[str, int]]:
    """Every way to write an exponent behind its 10, with the exponent."""
    for digit, power in s.exponents.items():
        yield from ((f"{mark}{digit}", power) for mark in s.exponent_marks)
        yield from ((f"{pair[0]}{digit}{pair[1]}", power) for pair in s.exponent_brackets)
        yield from ((sign, power) for sign, meant in s.superscripts.items() if meant == digit)


def _measure_symbols(s: Spellings, unit: str) -> dict[str, str]:
    return {
        f"{prefix}{base}": f"{multiple}{unit}"
        for prefix, multiple in s.prefix_symbols.items()
        for base, meant in s.base_symbols.items()
        if meant == unit
    }


def _measure_words(s: Spellings, unit: str) -> dict[str, str]:
    """Prefixes as words before bases as words (microliter), and before symbols (microL)."""
    bases = [base for base, meant in s.base_words.items() if meant == unit]
    symbols = [base for base, meant in s.base_symbols.items() if meant == unit]
    return {
        f"{prefix}{base}".upper(): f"{multiple}{unit}"
        for prefix, multiple in s.prefix_words.items()
        for base in (*bases, *(symbols if prefix else ()))
    }


def _surfaces(s: Spellings) -> Iterator[str]:
    """Every way to go on behind 1.73, without blanks: nothing, a square, or square metres."""
    squares = [f"{mark}2" for mark in s.square_marks]
    squares += [sign for sign, meant in s.superscripts.items() if meant == "2"]
    yield ""
    yield from (square for square in squares if square != "2")  # 1.732 is another number
    for between in s.after_surface:
        for metre in s.metres:
            yield from (f"{between}{metre}{square}" for square in squares)
            yield from (f"{between}{square}{metre}" for square in s.square_words)
            yield from (f"{between}{metre}{square}" for square in s.square_words)


def _behind(text: str, parts: Iterable[str]) -> str | None:
    """What follows the longest of ``parts`` that ``text``, in upper case, begins with; ``None`` if with none."""
    for part in sorted(parts, key=len, reverse=True):
        if text.startswith(part.upper()):
            return text[len(part) :].lstrip()
    return None


def _in_upper_case(words: Mapping[str, _T]) -> dict[str, _T]:
    return {word.upper(): meaning for word, meaning in words.items()}


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


GRAMMAR = Grammar()
