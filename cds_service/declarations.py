"""What the content declares to the chart: facts, searches, value sets, units. Imports nothing of ours.

``content`` builds these from YAML, ``chart`` reads patients by them (design rule 2: one declaration, many uses).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Strength:
    """How much drug one unit of a product holds: ``amount`` in the dose analyte's unit per ``per``."""

    amount: Fraction
    per: str


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a value set; ``agent``, ``form`` and ``strength`` are known for medications only."""

    system: str
    code: str
    display: str
    agent: str = ""
    form: str = ""
    strength: Strength | None = None


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Codes that mean one thing. ``prefixes`` hold classes whose codes begin alike (ATC, ICD-10-CM)."""

    id: str
    title: str
    kind: str
    codes: Mapping[tuple[str, str], Concept]
    prefixes: tuple[Concept, ...] = ()
    names: Mapping[str, Concept] = field(default_factory=dict)

    def find(self, system: str, code: str) -> Concept | None:
        """The concept of a code, never matched without its system."""
        concept = self.codes.get((system, code))
        if concept is None:
            for prefix in self.prefixes:
                if prefix.system == system and code.startswith(prefix.code):
                    return prefix
        return concept

    def match(self, codings: Iterable[tuple[str, str]]) -> Concept | None:
        """The first concept any of the ``(system, code)`` pairs names."""
        for system, code in codings:
            concept = self.find(system, code)
            if concept is not None:
                return concept
        return None


@dataclass(frozen=True, slots=True)
class Analyte:
    """The units one quantity may arrive in: UCUM code to exact factor, and spellings to UCUM code (Z23)."""

    canonical: str
    factors: Mapping[str, Fraction]
    aliases: Mapping[str, str]

    def unit(self, spelling: str) -> str:
        """The UCUM code meant by ``spelling`` for this analyte, or ``""``. Aliases come first: K/uL is no kelvin."""
        code = self.aliases.get(spelling, spelling)
        return code if code in self.factors else ""


@dataclass(frozen=True, slots=True)
class Search:
    """One prefetch key: the resource type it holds and the template that asks for it."""

    key: str
    resource: str
    template: str


@dataclass(frozen=True, slots=True)
class FactDeclaration:
    """One fact as ``facts.yaml`` declares it; which members are set depends on ``kind``."""

    name: str
    kind: str
    label: str
    element: str = ""
    value_sets: Mapping[str, ValueSet] = field(default_factory=dict)
    analyte: Analyte | None = None
    searches: tuple[Search, ...] = ()
    look_back_days: int | None = None
    naming: tuple[str, ...] = ()
    form: str = ""
    statuses: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Fraction] = field(default_factory=dict)
    counted: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    unit: str = ""
