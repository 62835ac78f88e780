"""Whether the words beside a laboratory code name an analyte, or name another one.

Laboratories write the name of an analyte with its specimen and its method, in some order: ``PLATELETS, AUTO``,
``Platelet count (EDTA blood)``, ``S-Cobalamins``. A name is recognised if nothing but such words stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_LONGEST_TEXT = 120

# Specimens, methods and properties as names of results state them, in the component names of LOINC
# (https://loinc.org/kb/users-guide/) and in the catalogues of English, German, French, Spanish and Dutch laboratories.
_BESIDE = frozenset(
    """
    a absolute and auto automated b bld bloed blood blut by calc calculated cap capillary cnc conc concentration
    count ct edta en estimate estimated fasting fluid hep heparin im in level lithium manual mass massconc
    method mol molconc moles nos number of or p plas plasma plasme quant quantitative result s sang sangre se
    ser serum sgr spec specimen suero sérum test to tot total unspecified venous vol vollblut volume wb whole
    """.split()  # noqa: SIM905  (a list of words is read more easily than one of strings)
)

# Other analytes that results are often mistaken for: common names of LOINC's components of routine chemistry, blood
# counts and vitamins. Source: LOINC common laboratory tests, https://loinc.org/usage/obs/, and the names of these
# components in HL7's FHIR examples, https://hl7.org/fhir/R4/observation-examples.html.
_OTHERS = frozenset(
    """
    albumin alt ast bicarbonate bilirubin bun calcium chloride cholesterol copper cortisol crp eosinophils
    erythrocytes ferritin glucose haematocrit haemoglobin hba1c hdl hematocrit hemoglobin hgb inr iron
    lactate ldl leukocytes lipase lymphocytes magnesium mch mchc mcv monocytes mpv neutrophils phosphate
    potassium rbc rdw reticulocytes sodium transferrin triglyceride triglycerides troponin tsh urea wbc zinc
    """.split()  # noqa: SIM905  (a list of words is read more easily than one of strings)
)


def names_one_of(texts: Iterable[str], names: Collection[str]) -> bool:
    """Whether one of the texts is one of the names, with nothing but specimen and method beside it."""
    return any(_core(text) in cores for cores in [_cores(frozenset(names))] for text in texts) if names else False


def names_another(texts: Sequence[str], *names: Collection[str]) -> bool:
    """Whether one of the texts names a common analyte that is none of ``names``, and no text names one of these."""
    return any(_core(text) in _OTHERS for text in texts) and not names_one_of(texts, frozenset().union(*names))


@lru_cache(maxsize=64)
def _cores(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_core, names))


@lru_cache(maxsize=2048)
def _core(text: str) -> str:
    """The words of a text that are neither specimen nor method, in lower case; all of them if there are no others."""
    words = [word.casefold() for word in _WORD.findall(text[:_LONGEST_TEXT])]
    return " ".join([word for word in words if word not in _BESIDE] or words)
