"""How a resource names its drug: by codes, by what it is made of, and by words that a person wrote (Z48)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from cds_service.fhir.medication_words import (
    BRAND_WORDS,
    FORM_PHRASES,
    FORM_WORDS,
    LEADING_PHRASES,
    LEADING_UNITS,
    LEADING_WORDS,
    NO_DRUG_WORDS,
    OTHER_DRUGS,
    OTHER_WORDS,
    PACK_WORDS,
    SALT_WORDS,
    STRENGTH_WORDS,
)
from cds_service.vocabulary.declarations import DrugName, DrugNames

MOST_CHARACTERS = 100  # of the words of a drug; what stands behind them is not read (Z94)
_KEPT_READINGS = 4096
MOST_KEPT = 64  # things that are worked out of one naming and kept with it
_LETTERS = str.maketrans(dict.fromkeys("®©™℠*", " ") | {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "ı": "i", "μ": "u"})
# A number, letters with dots between them ("i.m."), a word, or a sign.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_](?:\.[^\W\d_])+(?![^\W\d_])|[^\W\d_]+|[^\s\w]")
_BETWEEN = frozenset(".-'`´’‐‑–—_")  # signs that may stand within a name or before a word, and mean nothing
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_KNOWN_WORDS = STRENGTH_WORDS | SALT_WORDS | PACK_WORDS | OTHER_WORDS | BRAND_WORDS | FORM_WORDS.keys()
READ_WORDS = frozenset(_KNOWN_WORDS | LEADING_WORDS | NO_DRUG_WORDS | OTHER_DRUGS).union(
    *(words for words, _ in FORM_PHRASES), *LEADING_PHRASES
)
"""Every word that means something beside the name of a drug."""

AMOUNT = re.compile(rf"\d{{1,5}}(?:[.,]\d{{1,4}})? ?(?:{'|'.join(sorted(STRENGTH_WORDS))}|µg)\b", re.IGNORECASE)
"""An amount as it stands in the name of a product."""

_LONGEST_LEADING = max(map(len, LEADING_PHRASES))
_PHRASES: dict[str, list[tuple[tuple[str, ...], str]]] = {}
for _words, _form in FORM_PHRASES:
    _PHRASES.setdefault(_words[0], []).append((_words, _form))


class Recognition(StrEnum):
    """What a text is about."""

    DRUG = "drug"  # a drug of the names, and nothing else
    POSSIBLE_COMBINATION = "possible-combination"  # a drug of the names, perhaps with another
    NO_DRUG = "no-drug"  # a test, a diagnosis or a device
    ELSEWHERE = "elsewhere"  # a name stands in it, but it does not begin with one
    NOTHING = "nothing"  # no name stands in it


class DrugText(msgspec.Struct, frozen=True):
    """What was read in a text: ``names`` are the names in it, the first one first.

    ``form`` is the form of product that its words tell, ``""`` if they tell none or several. ``settled`` says that a
    name decides alone what the text means: a known combination, or what is excluded.
    """

    recognition: Recognition
    names: tuple[DrugName, ...] = ()
    form: str = ""
    settled: bool = False


_NOTHING = DrugText(Recognition.NOTHING)


class Naming:
    """How one resource names its drug.

    ``codings`` are ``(system, code)`` pairs, ``texts`` what its concepts and references say in words, ``ingredients``
    how each active ingredient is named. ``resolved`` is false if it names its drug by nothing but a reference to a
    resource that was not sent. ``kept`` is for what a reader has worked out of all this, by its own key.
    """

    __slots__ = ("_read", "codings", "ingredients", "kept", "resolved", "texts")

    def __init__(
        self,
        codings: Sequence[tuple[str, str]] = (),
        texts: Sequence[str] = (),
        ingredients: Sequence[Naming] = (),
        *,
        resolved: bool = True,
    ) -> None:
        self.codings = codings
        self.texts = texts
        self.ingredients = ingredients
        self.resolved = resolved
        self.kept: dict[Hashable, Any] = {}
        self._read: tuple[DrugNames | None, DrugText] = (None, _NOTHING)

    def read(self, names: DrugNames) -> DrugText:
        """What its texts mean together; read once for the same names."""
        known_names, read = self._read
        if known_names is not names:
            texts = [text for text in [read_drug(text, names) for text in self.texts] if text is not _NOTHING]
            read = _together(texts) if texts else _NOTHING
            self._read = (names, read)
        return read


NOT_NAMED = Naming()


def _together(texts: Sequence[DrugText]) -> DrugText:
    """What several texts about one drug mean together.

    One that settles decides; then one that speaks of a test, a diagnosis or a device. Names that cannot be those of one
    drug make a possible combination.
    """
    if len(texts) == 1:
        return texts[0]
    for text in texts:
        if text.settled:
            return text
    if any(text.recognition is Recognition.NO_DRUG for text in texts):
        return DrugText(Recognition.NO_DRUG)
    spoken = [text for text in texts if text.recognition is not Recognition.ELSEWHERE]
    if not spoken:
        return texts[0]
    drug_names = tuple(dict.fromkeys(name for text in spoken for name in text.names))
    certain = all(text.recognition is Recognition.DRUG for text in spoken) and _go_together(drug_names)
    recognition = Recognition.DRUG if certain else Recognition.POSSIBLE_COMBINATION
    return DrugText(recognition, drug_names, _form_of([text.form for text in spoken if text.form]))


def name_words(name: str) -> tuple[str, ...]:
    """A name as it is compared: its words and numbers in lower case, without accents, hyphens and dots."""
    return tuple(token for token in _tokens(name) if token not in _CLOSING and token not in _CLOSING.values())


def read_drug(text: str, names: DrugNames) -> DrugText:
    """What ``text`` means as the name of a drug, if ``names`` are all the names that are known.

    It is a drug if it begins with a name as whole words, and otherwise holds only words of strength, form, salt, route,
    pack and brand. Form words, and the amount of RxNorm, may stand before the name. What stands in brackets is ignored,
    unless it is another drug's name. Any other word makes it a possible combination, and so does a text that is too
    long to be read whole. A name that settles wins wherever it stands in such a text.
    """
    return _read(text[: MOST_CHARACTERS + 1], names) if text else _NOTHING


@lru_cache(_KEPT_READINGS)
def _read(text: str, names: DrugNames) -> DrugText:
    tokens = _tokens(text[:MOST_CHARACTERS])
    outside, inside = _apart(tokens)
    start = 0
    first = _name_at(outside, start, names)
    while first is None and (leading := _leading_at(outside, start)):
        start += leading
        first = _name_at(outside, start, names)
    bracketed = [_names_in(words, names) for words in inside]
    if first is None:
        everything = [name for within, _ in (_names_in(outside, names), *bracketed) for name in within]
        return DrugText(Recognition.ELSEWHERE, tuple(everything)) if everything else _NOTHING
    settling = first if first.settles else _settling([outside, *inside], names)
    if settling is not None:
        return DrugText(Recognition.DRUG, (settling,), settled=True)
    forms = [FORM_WORDS[word] for word in outside[:start] if word in FORM_WORDS]
    unknown = len(text) > MOST_CHARACTERS
    spoken = [first]
    place = start + len(first.words)
    while place < len(outside):
        another = _name_at(outside, place, names)
        phrase = _phrase_at(outside, place)
        if another is not None:
            spoken.append(another)
            place += len(another.words)
        elif phrase is not None:
            forms.append(phrase[1])
            place += len(phrase[0])
        else:
            word = outside[place]
            if word in NO_DRUG_WORDS:
                return DrugText(Recognition.NO_DRUG)
            if word in FORM_WORDS:
                forms.append(FORM_WORDS[word])
            unknown = unknown or not (word in _KNOWN_WORDS or word[0].isdigit() or not word[0].isalpha())
            place += 1
    spoken += [name for within, _ in bracketed for name in within]
    others = any(not OTHER_DRUGS.isdisjoint(rest) or _other_vitamin(rest) for _, rest in bracketed)
    several = unknown or others or not _go_together(spoken)
    recognition = Recognition.POSSIBLE_COMBINATION if several else Recognition.DRUG
    return DrugText(recognition, tuple(dict.fromkeys(spoken)), _form_of(forms))


def _tokens(text: str) -> list[str]:
    """The words, numbers and signs of a text, as they are compared. A comma between thousands is left out."""
    plain = text.casefold().translate(_LETTERS)
    if not plain.isascii():
        letters = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
    tokens = []
    for token in _TOKEN.findall(plain):
        if token in _BETWEEN:
            continue
        if token[0].isdigit():
            tokens.append(token.replace(",", "" if _THOUSANDS.fullmatch(token) else "."))
        else:
            tokens.append(token.replace(".", "") if len(token) > 1 else token)
    return tokens


def _apart(tokens: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The tokens outside of brackets, and those within each pair. A bracket without its other half is a sign."""
    if not any(token in _CLOSING for token in tokens):
        return list(tokens), []
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token in _CLOSING:
            opened.append(place)
        elif opened and token == _CLOSING[tokens[opened[-1]]]:
            pairs[opened.pop()] = place
    outside: list[str] = []
    inside: list[list[str]] = []
    place = 0
    while place < len(tokens):
        end = pairs.get(place)
        if end is None:
            outside.append(tokens[place])
            place += 1
        else:
            inside.append([token for token in tokens[place + 1 : end] if token.isalnum() or "." in token])
            place = end + 1
    return outside, inside


def _name_at(tokens: Sequence[str], place: int, names: DrugNames) -> DrugName | None:
    """The longest name that begins at ``place``."""
    if place >= len(tokens):
        return None
    for name in names.starting.get(tokens[place], ()):
        if tuple(tokens[place : place + len(name.words)]) == name.words:
            return name
    return None


def _names_in(tokens: Sequence[str], names: DrugNames) -> tuple[list[DrugName], list[str]]:
    """The names that stand in the tokens, and the tokens that belong to none."""
    drug_names = []
    rest = []
    place = 0
    while place < len(tokens):
        name = _name_at(tokens, place, names)
        if name is not None:
            drug_names.append(name)
            place += len(name.words)
        else:
            rest.append(tokens[place])
            place += 1
    return drug_names, rest


def _settling(parts: Sequence[Sequence[str]], names: DrugNames) -> DrugName | None:
    """A name that settles, wherever it stands."""
    for tokens in parts:
        for place, token in enumerate(tokens):
            for name in names.settling.get(token, ()):
                if tuple(tokens[place : place + len(name.words)]) == name.words:
                    return name
    return None


def _leading_at(tokens: Sequence[str], place: int) -> int:
    """How many tokens at ``place`` may stand before a name."""
    here = tuple(tokens[place : place + _LONGEST_LEADING])
    if not here:
        return 0
    if here[0] in LEADING_WORDS:
        return 1
    if here in LEADING_PHRASES:
        return len(here)
    return 2 if here[0][0].isdigit() and here[1:2] and here[1] in LEADING_UNITS else 0


def _phrase_at(tokens: Sequence[str], place: int) -> tuple[tuple[str, ...], str] | None:
    """The phrase for a form of product that begins at ``place``."""
    phrases = _PHRASES.get(tokens[place], ())
    return next((phrase for phrase in phrases if tuple(tokens[place : place + len(phrase[0])]) == phrase[0]), None)


def _other_vitamin(tokens: Sequence[str]) -> bool:
    """Whether a letter with a number stands in brackets, as in "(B1, B6)": a vitamin that none of the names is."""
    return any(
        len(word) == 1 and word.isalpha() and word in "bcdek" and number.isdigit() for word, number in pairwise(tokens)
    )


def _go_together(spoken: Sequence[DrugName]) -> bool:
    """Whether all the names can be those of one drug: in one value set, with one agent as far as they state it."""
    common = frozenset.intersection(*(name.value_sets for name in spoken))
    return bool(common) and len({name.agent for name in spoken if name.agent}) <= 1


def _form_of(forms: Sequence[str]) -> str:
    """The one form that words tell: "nasal spray" is nasal, "sublingual tablet" is sublingual."""
    stated = set(forms)
    if not stated.isdisjoint(("nasal", "sublingual")):
        stated.discard("oral")
    return stated.pop() if len(stated) == 1 else ""
