"""Names of problems, substances, operations and routes as people write them, folded to one spelling (Z49).

Two texts are the same name if they fold to the same string. A fold takes away case, accents, blanks, punctuation and
the semantic tag of SNOMED CT, and writes haem and hem, oedema and edema, B 12 and B12, I. M. and IM alike. It takes
away no word that could change the meaning, only a trailing "unspecified": a text with any other word is another name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

# The tags at the end of a fully specified name of SNOMED CT.
# https://confluence.ihtsdotools.org/display/DOCEG/Semantic+Tag
_TAGS = "disorder|finding|medicinal product|observable entity|procedure|product|qualifier value|situation|substance"
_TAG = re.compile(rf"\((?:{_TAGS})\)$")
_APART = str.maketrans(dict.fromkeys('-‐‑–—_.,;:/\\|()[]{}+*"“”„«»\t\r\n\xa0', " ") | dict.fromkeys("'’`<>", ""))
_HEAD = 3  # characters
LONGEST_NAME = 200  # characters; the longest name in use has about half as many
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l"})
_MARK = re.compile(r"^\[[a-z]\] ?")  # of the Read codes, as in "[X]Vitamin ..."
# "Unspecified" is the same as no word: ICD-10-CM Official Guidelines, Section I.A.6.b (NOS and "unspecified").
_UNSPECIFIED = re.compile(r" (?:nos|unspecified|not otherwise specified)$")
_LETTER_AND_NUMBER = re.compile(r"\b([a-z]) (?=\d)")
_LETTERS = re.compile(r"\b[a-z](?: [a-z])+\b")

# Words that say that a text names a reaction, or a way of giving something, and not which. The displays of SNOMED CT
# ("Adverse reaction to ...", "Allergy to ...", "... adverse reaction"), of EDQM in its languages ("... use", "...
# Anwendung", "voie ...", "uso ...", "via ...") and of HL7 ("Injection, ...") are written with them.
_ALLERGIES = r"(?:adverse|allergic) reaction|allergy|hypersensitivity|intolerance"
_FRAME = re.compile(rf"(?:(?:{_ALLERGIES}) to|allergic to|intolerant of) (.+)|(.+) (?:{_ALLERGIES})")
_OF_ROUTES = frozenset({"administration", "anwendung", "by", "inj", "injection", "route", "uso", "use", "via", "voie"})


def folded(text: str) -> str:
    """A text in its one spelling; ``""`` if there is no word in it, or if it is too long to be a name."""
    if len(text) > LONGEST_NAME:
        return ""
    plain = text.casefold().strip()
    if plain.endswith(")"):
        plain = _TAG.sub("", plain)
    if plain.startswith("["):
        plain = _MARK.sub("", plain)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain.translate(_LIGATURES))
        plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    words = plain.translate(_APART).replace("ae", "e").replace("oe", "e").split()
    joined = " ".join(words)
    if min(map(len, words), default=0) == 1:
        joined = _LETTER_AND_NUMBER.sub(r"\1", joined)
        joined = _LETTERS.sub(lambda match: match[0].replace(" ", ""), joined)
    return _UNSPECIFIED.sub("", joined) if joined.endswith(("nos", "specified")) else joined


def folded_allergy(text: str) -> str:
    """The name of what an allergy is to: "Allergy to vitamin B 12" and "Vitamin B12" are one name."""
    name = folded(text)
    framed = _FRAME.fullmatch(name)
    return (framed[1] or framed[2]) if framed else name


@lru_cache(maxsize=512)
def folded_route(text: str) -> str:
    """The name of a route: "Intramuscular use", "by intramuscular injection" and "intramuscularly" are one name."""
    return " ".join(word.removesuffix("ly") for word in folded(text).split() if word not in _OF_ROUTES)


# An entry that says that there is nothing to list is about something else than any substance or problem, however it is
# written. The first of each kind is the display of SNOMED CT: 716186003, 409137002 and 160245001.
_NOTHING = frozenset(
    fold(text)
    for fold in (folded, folded_allergy)
    for text in (
        "No known allergy",
        "No known allergies",
        "No allergies",
        "NKA",
        "No known drug allergy",
        "No known drug allergies",
        "NKDA",
        "No current problems or disability",
        "No known problems",
        "No active problems",
    )
)


READ_WORDS = frozenset(word for name in _NOTHING for word in name.split()).union(
    _OF_ROUTES, re.findall(r"[a-z]+", _ALLERGIES), ("allergic", "intolerant", "to", "of", "unspecified")
)
"""Every word that means something beside the name of a problem, a substance or a route."""


def says_nothing(name: str) -> bool:
    """Whether a text, folded in either way, says that there is no allergy or problem to list."""
    return name in _NOTHING


FOLDS: Mapping[str, Callable[[str], str]] = {
    "condition": folded,
    "procedure": folded,
    "nutrition": folded,
    "allergy": folded_allergy,
    "route": folded_route,
}
# The fold of the texts of each resource type.
FOLD_OF: Mapping[str, Callable[[str], str]] = {
    "Condition": folded,
    "AllergyIntolerance": folded_allergy,
    "Procedure": folded,
}


def head_of(text: str) -> str:
    """How the fold of a text begins, as far as that can be told without folding it; ``""`` if it cannot.

    It is cheap, so that the many texts that begin like no name need no fold.
    """
    head = text[: _HEAD + 2].casefold()  # two letters behind it may change it: "ploae" is folded to "ple"
    if len(head) <= _HEAD or not head.isascii() or not head[:_HEAD].isalnum() or "ae" in head or "oe" in head:
        return ""
    return head[:_HEAD]
