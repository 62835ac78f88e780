"""How code systems are spelled, and which systems share their codes. Data, and the look-ups that read it (Z42).

The rows stand in Python for the reasons of ``unit_spellings``: they are the same for every pack, and they are read
before any content is. Which codes mean what is the content's (the value sets). Systems of statuses and categories are
among the rows only so that the commonest systems of all are found at once: these are read by their code alone.

A spelling means a system only if both have the same codes. Three kinds of row are told apart:

* other spellings of a system, such as its OID;
* an *edition*: a system of its own whose codes mean the same as those of its ``base`` wherever both have them, such as
  ICD-10-GM for ICD-10 of WHO. Prefixes of the base mean nothing there, because an edition divides codes in its own way.
  ICD-10-CM is no edition of ICD-10: G63.4, N18.6 and D69.3 stand for other things in it, or for nothing;
* a code without a system, where its own form tells which system it is of (``unstated``).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cds_service.fhir.check_digits import loinc_is_valid, snomed_is_valid, unii_is_valid
from cds_service.vocabulary.declarations import ICD_10_EITHER, NDC, UnstatedSystem

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
UNII = "http://fdasis.nlm.nih.gov"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"

# Where a spelling was seen. Others are named at the row: a national guide, or "public projects" where two or more
# projects of different owners send or map it.
THO = "HL7 Terminology 7.0.1, https://terminology.hl7.org/"
CONVERTER = "systems of C-CDA documents in the FHIR Converter of Microsoft, data/Templates/Ccda, 2026-06-03"
STU3 = "FHIR STU3 (3.0.2), https://hl7.org/fhir/STU3/; public projects"
TX = (
    "list of systems and their older addresses in the terminology code of HAPI FHIR and of the FHIR test suite Crucible"
)


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """One code system as FHIR writes it, and where that was seen.

    ``spellings`` are other addresses and OIDs with the same codes, each with where it was seen. ``base`` is the system
    whose edition this one is, ``""`` for none; ``differing`` are codes that mean something else than in the base, each
    with where that is said. Codes of a ``dotted`` system are also met without their dot, and mean the same then.
    """

    name: str
    canonical: str
    seen: str
    spellings: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    differing: Mapping[str, str] = field(default_factory=dict)
    dotted: bool = False


SYSTEMS: tuple[CodeSystem, ...] = (
    CodeSystem("LOINC", LOINC, THO, {"urn:oid:2.16.840.1.113883.6.1": f"{THO}; {CONVERTER}"}),
    CodeSystem("SNOMED CT", SNOMED, THO, {"urn:oid:2.16.840.1.113883.6.96": f"{THO}; {CONVERTER}"}),
    # The identifiers of dm+d are those of the United Kingdom's drug extension of SNOMED CT.
    CodeSystem("dm+d", "https://dmd.nhs.uk", "guides of NHS England; public projects", base=SNOMED),
    CodeSystem(
        "RxNorm",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        THO,
        {"urn:oid:2.16.840.1.113883.6.88": f"{THO}; {CONVERTER}"},
    ),
    CodeSystem("NDC", NDC, THO, {"urn:oid:2.16.840.1.113883.6.69": f"{THO}; public projects that read C-CDA"}),
    CodeSystem("UNII", UNII, THO, {"urn:oid:2.16.840.1.113883.4.9": f"{THO}; public projects that read C-CDA"}),
    # --- ATC and its edition
    CodeSystem(
        "ATC",
        ATC,
        THO,
        {"urn:oid:2.16.840.1.113883.6.73": f"{THO}; guides of eHealth Suisse and of the European patient summary"},
    ),
    CodeSystem(
        "ATC of Germany",
        "http://fhir.de/CodeSystem/bfarm/atc",
        "test data of the Medical Informatics Initiative of Germany",
        {"http://fhir.de/CodeSystem/dimdi/atc": "guides of Germany until 2021; public projects"},
        base=ATC,
    ),
    # --- ICD-10 of WHO and its editions
    CodeSystem(
        "ICD-10",
        ICD_10,
        THO,
        {
            "urn:oid:2.16.840.1.113883.6.3": f"{THO}; public projects that read C-CDA",
            "http://terminology.hl7.org/CodeSystem/icd10": f"{THO}; public projects that read C-CDA",
        },
        dotted=True,
    ),
    CodeSystem(
        "ICD-10-GM",
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
        "the guide of terminology of HL7 Germany; test data of the Medical Informatics Initiative of Germany",
        {
            "http://fhir.de/CodeSystem/dimdi/icd-10-gm": "guides of Germany until 2021; public projects",
            "http://hl7.org/fhir/sid/icd-10-gm": "public projects of Germany",
            "http://hl7.org/fhir/sid/icd-10-de": TX,
            "http://terminology.hl7.org/CodeSystem/dmdICD10": f"{THO}; public projects that read HL7 v2",
            "urn:oid:2.16.840.1.113883.6.3.3": THO,
        },
        base=ICD_10,
        dotted=True,
    ),
    CodeSystem(
        "ICD-10-AM",
        "http://hl7.org/fhir/sid/icd-10-am",
        "NPHIES, the exchange of Saudi Arabia; public projects of Australia and New Zealand",
        {
            "http://hl7.org.au/fhir/CodeSystem/icd-10-am": "public projects of Australia",
            "urn:oid:2.16.840.1.113883.6.135": "public projects that read C-CDA",
        },
        base=ICD_10,
        dotted=True,
    ),
    CodeSystem(
        "ICD-10-CA",
        "http://hl7.org/fhir/sid/icd-10-ca",
        f"{THO}; public projects",
        {
            "urn:oid:2.16.840.1.113883.6.94": THO,
            "https://fhir.infoway-inforoute.ca/CodeSystem/icd-10-ca": "public projects of Canada",
        },
        base=ICD_10,
        dotted=True,
    ),
    CodeSystem(
        "CID-10 of Brazil",
        "https://terminologia.saude.gov.br/fhir/CodeSystem/BRCID10",
        "the national terminology of Brazil, which names the older address beside it",
        {"http://www.saude.gov.br/fhir/r4/CodeSystem/BRCID10": "RNDS, the exchange of Brazil; public projects"},
        base=ICD_10,
        dotted=True,
    ),
    CodeSystem(
        "ICD-10 of the Netherlands",
        "http://hl7.org/fhir/sid/icd-10-nl",
        f"{THO}; {TX}",
        {
            "urn:oid:2.16.840.1.113883.6.3.2": THO,
            "http://terminology.hl7.org/CodeSystem/ICD10dut": THO,
        },
        base=ICD_10,
        dotted=True,
    ),
    # --- ICD-10-CM, which is no edition, and the procedures that share its name
    CodeSystem(
        "ICD-10-CM",
        ICD_10_CM,
        THO,
        {
            "urn:oid:2.16.840.1.113883.6.90": f"{THO}; public projects that read C-CDA",
            "http://terminology.hl7.org/CodeSystem/icd10CM": THO,
            "http://hl7.org/fhir/sid/icd-10-us": f"{TX}; public projects",
        },
        dotted=True,
    ),
    CodeSystem(
        "ICD-10-PCS",
        "http://www.cms.gov/Medicare/Coding/ICD10",
        THO,
        {
            "urn:oid:2.16.840.1.113883.6.4": f"{THO}; public projects that read C-CDA",
            "http://terminology.hl7.org/CodeSystem/icd10PCS": THO,
            "http://hl7.org/fhir/sid/icd-10-pcs": "claims of CMS (Blue Button); public projects",
        },
    ),
    CodeSystem("CPT", "http://www.ama-assn.org/go/cpt", THO, {"urn:oid:2.16.840.1.113883.6.12": f"{THO}; {CONVERTER}"}),
    CodeSystem(
        "HCPCS Level II",
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        THO,
        {"urn:oid:2.16.840.1.113883.6.285": f"{THO}; public projects"},
    ),
    # --- laboratories of the Nordic countries
    CodeSystem(
        "NPU",
        "http://npu-terminology.org",
        THO,
        {"urn:oid:1.2.208.176.2.1": "guides and services of Denmark (KL, eHealth infrastructure)"},
    ),
    # --- interpretations and routes; older addresses of HL7's tables are read by rule (see _older_address)
    CodeSystem(
        "v3 ObservationInterpretation",
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        THO,
        {"urn:oid:2.16.840.1.113883.5.83": f"{THO}; {CONVERTER}"},
    ),
    CodeSystem(
        "v2-0078",
        "http://terminology.hl7.org/CodeSystem/v2-0078",
        "FHIR R4; public projects that read HL7 v2",
        {"urn:oid:2.16.840.1.113883.12.78": "public projects that read HL7 v2; tables of the CDC (PHIN VADS)"},
    ),
    CodeSystem(
        "v3 RouteOfAdministration",
        "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration",
        THO,
        {"urn:oid:2.16.840.1.113883.5.112": "public projects that read C-CDA"},
    ),
    CodeSystem(
        "v2-0162",
        "http://terminology.hl7.org/CodeSystem/v2-0162",
        THO,
        {
            "urn:oid:2.16.840.1.113883.18.80": THO,
            "urn:oid:2.16.840.1.113883.12.162": "public projects that read HL7 v2; tables of the CDC (PHIN VADS)",
        },
    ),
    CodeSystem(
        "EDQM Standard Terms",
        "http://standardterms.edqm.eu",
        "International Patient Summary of HL7; guides of Switzerland, Germany and France",
        {
            "urn:oid:0.4.0.127.0.16.1.1.2.1": "CH Term of HL7 Switzerland, 2026-04-07; public projects of Austria",
            "https://smt.esante.gouv.fr/terminologie-standardterms": "the national terminology server of France",
        },
    ),
    CodeSystem(
        "NCI Thesaurus",
        "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
        THO,
        {
            "urn:oid:2.16.840.1.113883.3.26.1.1": f"{THO}; public projects that read C-CDA",
            "http://ncithesaurus-stage.nci.nih.gov": THO,
        },
    ),
    # --- statuses and categories
    *(
        CodeSystem(name, f"http://terminology.hl7.org/CodeSystem/{name}", THO, {f"http://hl7.org/fhir/{name}": STU3})
        for name in ("condition-clinical", "condition-ver-status", "condition-category", "observation-category")
    ),
    *(
        CodeSystem(name, f"http://terminology.hl7.org/CodeSystem/{name}", THO)
        for name in ("allergyintolerance-clinical", "allergyintolerance-verification")
    ),
)

_LONGEST_SYSTEM = 200  # characters; a longer one is none that is known, and is not worth keeping
_KEPT = 1024  # unusual spellings whose meaning is kept
_ADDRESS = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_OID = re.compile(r"(?:urn:oid:)?(\d+(?:\.\d+){3,})", re.IGNORECASE | re.ASCII)
_OF_VERSION_2 = re.compile(r"http://hl7\.org/fhir/v2/(\d{4})", re.ASCII)
_OF_VERSION_3 = re.compile(r"http://hl7\.org/fhir/v3/(\w+)", re.ASCII)
_EDITION_OF_SNOMED = re.compile(r"http://snomed\.info/sct/\d{6,18}(?:/version/\d{6,8})?", re.ASCII)


def _folded(system: str) -> str:
    """A spelling without what never tells two systems apart.

    That is ``|version``, the scheme ``https``, the case of the host, a trailing slash, and an OID without
    ``urn:oid:``.
    """
    bare = system.strip().partition("|")[0]
    if oid := _OID.fullmatch(bare):
        return f"urn:oid:{oid[1]}"
    if address := _ADDRESS.fullmatch(bare):
        return f"http://{address[1].lower()}{address[2].rstrip('/')}"
    return bare


def _older_address(folded: str) -> str:
    """Where the tables of HL7 v2 and v3 stand since FHIR R4, and SNOMED CT where its edition was sent as the system.

    HL7 moved ``http://hl7.org/fhir/v2/NNNN`` and ``.../v3/NAME`` to its terminology server, codes and all. An edition
    of SNOMED CT belongs in ``version``; public projects send it as the system.
    """
    if table := _OF_VERSION_2.fullmatch(folded):
        return f"http://terminology.hl7.org/CodeSystem/v2-{table[1]}"
    if table := _OF_VERSION_3.fullmatch(folded):
        return f"http://terminology.hl7.org/CodeSystem/v3-{table[1]}"
    return SNOMED if _EDITION_OF_SNOMED.fullmatch(folded) else folded


def _spellings() -> dict[str, str]:
    return {spelling: system.canonical for system in SYSTEMS for spelling in (system.canonical, *system.spellings)}


SPELLINGS: Mapping[str, str] = _spellings()
"""Each spelling of the table with the canonical one: the look-up that suffices for nearly everything that is sent."""

_FOLDED: Mapping[str, str] = {_folded(spelling): canonical for spelling, canonical in SPELLINGS.items()}
_NAMES: Mapping[str, str] = {system.canonical: system.name for system in SYSTEMS}
_EDITIONS: Mapping[str, tuple[CodeSystem, ...]] = {
    base: tuple(system for system in SYSTEMS if system.base == base) for base in {system.base for system in SYSTEMS}
}
_DOTTED = frozenset(system.canonical for system in SYSTEMS if system.dotted)


def canonical(system: str) -> str:
    """The canonical spelling of a code system; the spelling as it was sent if it is none that is known."""
    return SPELLINGS.get(system) or (_read(system) if len(system) <= _LONGEST_SYSTEM else system)


@lru_cache(maxsize=_KEPT)
def _read(system: str) -> str:
    folded = _older_address(_folded(system))
    known = _FOLDED.get(folded)
    if known is None and folded.startswith("http://terminology.hl7.org/CodeSystem/v"):
        return folded
    return known or system


def name_of(system: str) -> str:
    """The name of a code system of the table, whatever its spelling; ``""`` for any other."""
    return _NAMES.get(canonical(system), "")


def equal_codes(system: str, code: str) -> Iterable[tuple[str, str]]:
    """The other ``(system, code)`` pairs that mean what a code of a canonical system means.

    They are the code in the editions of the system, but for those that differ, and without its dot where it has one.
    """
    editions = _EDITIONS.get(system, ())
    systems = [system, *(edition.canonical for edition in editions if code not in edition.differing)]
    for place in systems:
        if place != system:
            yield place, code
        if place in _DOTTED and "." in code:
            yield place, code.replace(".", "")


# --- how codes look

_FORM_OF: Mapping[str, re.Pattern[str]] = {
    LOINC: re.compile(r"\d{1,7}-\d", re.ASCII),
    SNOMED: re.compile(r"\d{6,18}", re.ASCII),
    "http://www.nlm.nih.gov/research/umls/rxnorm": re.compile(r"\d{1,8}", re.ASCII),
    ATC: re.compile(r"[A-Z](\d\d([A-Z]([A-Z](\d\d)?)?)?)?", re.ASCII),
    ICD_10: re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z*+!-]{1,4})?", re.ASCII),
    ICD_10_CM: re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?", re.ASCII),
    UNII: re.compile(r"[0-9A-Z]{10}"),
    "http://www.ama-assn.org/go/cpt": re.compile(r"\d{4}[0-9A-Z]", re.ASCII),
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": re.compile(r"[A-Z]\d{4}", re.ASCII),
    "http://www.cms.gov/Medicare/Coding/ICD10": re.compile(r"[0-9A-HJ-NP-Z]{7}", re.ASCII),
    "http://npu-terminology.org": re.compile(r"NPU\d{5}", re.ASCII),
}


_BASES = {edition.canonical: edition.base for edition in SYSTEMS if edition.base}


@lru_cache(maxsize=4096)
def is_code_of(system: str, code: str) -> bool:
    """Whether a code has the form of the codes of a canonical system, check digit included.

    What has not is no code of that system, whatever it claims, and so it does not say that an entry is about something
    else (Z41). Of systems whose codes have no known form, any code is one.
    """
    form = _FORM_OF.get(_BASES.get(system, system))
    if form is not None and form.fullmatch(code) is None:
        return False
    check = _CHECKS.get(_BASES.get(system, system))
    return check is None or check(code)


def speaks_in(systems: Container[str], codings: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the ``(system, code)`` pairs is a code of one of the systems, and so can be known or ruled out.

    A code that was sent without a system never is: its form tells what it may be, not what it is not.
    """
    for system, code in codings:  # noqa: SIM110  (a generator would cost twice as much, and every entry is asked for)
        if system in systems and type(system) is str and is_code_of(system, code):
            return True
    return False


# --- codes without a system

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (LOINC, re.compile(r"\d{1,7}-\d", re.ASCII)),
    (SNOMED, re.compile(r"\d{3,15}[01]0\d", re.ASCII)),  # before the check digit: a concept of the core or an extension
    (ATC, re.compile(r"[A-DGHJLMNPRSV]\d\d[A-Z]{2}\d\d", re.ASCII)),
    (ICD_10_EITHER, re.compile(r"[A-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}", re.ASCII)),
    (UNII, re.compile(r"[0-9A-Z]{10}")),
)
_CHECKS = {LOINC: loinc_is_valid, SNOMED: snomed_is_valid, UNII: unii_is_valid}

_WORD = re.compile(r"[^\W_]+")
# Words that say how, where or in what form, and so do not tell one thing from another.
_GENERAL = frozenset(
    _WORD.findall(
        "serum plasma blood venous arterial capillary mass moles substance volume rate area count number concentration "
        "automated manual estimate estimated presence ratio level test assay panel measurement laboratory lab result "
        "value finding disorder disease syndrome procedure product situation observable entity qualifier unspecified "
        "specified other due with without and for the from not stated history type stage grade chronic acute primary "
        "secondary deficiency vitamin complex plain acid acetate hydrochloride sodium calcium route use "
        "administration solution suspension injection injectable tablet capsule spray oral sublingual nasal chewable "
        "disintegrating extended release pill ampoule vial sugar free"
    )
)
_LETTER_AND_NUMBER = re.compile(r"\b([a-z])[\s>-]+(\d+)\b")
_SHORTEST_WORD = 3
_OF_STATE = ("emia", "emias")


def telling_words(text: str) -> frozenset[str]:
    """The words of a text that tell one thing from another, spelled alike: ``B 12`` as ``b12``, ``haem`` as ``hem``.

    Numbers, short words, and words of form, place, measure and state (those that end like uraemia) tell nothing.
    """
    plain = _LETTER_AND_NUMBER.sub(r"\1\2", text.casefold()).replace("ae", "e").replace("oe", "e")
    return frozenset(
        word.removesuffix("s")
        for word in _WORD.findall(plain)
        if len(word) >= _SHORTEST_WORD
        and not word[0].isdigit()
        and not word.endswith(_OF_STATE)
        and _GENERAL.isdisjoint((word, word.removesuffix("s")))
    )


def unstated(codes: Iterable[str], text: str) -> list[tuple[str, str]]:
    """The pairs that codes without a system stand for, each where its form tells the system.

    ``text`` is everything that is written beside them: it goes along with the system, so that a value set can refuse a
    code beside which something else is named. RxNorm and NDC are bare numbers, which are met for anything.
    """
    known = [
        (system, code)
        for code in codes
        for system, form in _FORMS
        if form.fullmatch(code) and (system not in _CHECKS or _CHECKS[system](code))
    ]
    if not known:
        return []
    words = telling_words(text)
    return [(UnstatedSystem(system, words), code) for system, code in known]
