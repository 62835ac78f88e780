"""Codes are recognised in every spelling of their system, and no further (Z42)."""

import pickle
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir import codes
from cds_service.fhir.check_digits import loinc_is_valid, snomed_is_valid, unii_is_valid
from cds_service.fhir.codes import ICD_10, ICD_10_CM, LOINC, SNOMED, SYSTEMS, UNII, canonical, name_of, speaks_in
from cds_service.fhir.lenient import CodeableConcept
from cds_service.fhir.tree import pairs
from cds_service.vocabulary.declarations import UnstatedSystem

RXNORM, NDC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
GM, GERMAN_ATC = "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/bfarm/atc"
SPELLED = [(spelling, system) for system in SYSTEMS for spelling in (system.canonical, *system.spellings)]
EDITIONS = [system for system in SYSTEMS if system.base]


def variants(spelling):
    """A spelling as careless senders write it."""
    yield spelling
    yield f"{spelling}|2026-03"
    yield f" {spelling} "
    if spelling.startswith("urn:oid:"):
        yield spelling.upper()
        yield spelling.removeprefix("urn:oid:")
    else:
        scheme, _, rest = spelling.partition("://")
        host, slash, path = rest.partition("/")
        yield f"{spelling}/"
        yield f"http://{rest}"
        yield f"https://{rest}|1.0"
        yield f"{scheme.upper()}://{host.upper()}{slash}{path}/"


def in_a_draft(*codings, text=""):
    return pairs({"coding": list(codings), "text": text})


def in_the_record(*codings, text=""):
    return msgspec.convert({"coding": list(codings), "text": text}, CodeableConcept).pairs()


def coding(system, code, display=None):
    return {key: value for key, value in (("system", system), ("code", code), ("display", display)) if value}


@pytest.mark.parametrize(("spelling", "system"), SPELLED, ids=[spelling for spelling, _ in SPELLED])
def test_every_spelling_of_a_system_means_it_in_drafts_and_in_the_record(spelling, system):
    for variant in variants(spelling):
        assert in_a_draft(coding(variant, "1")) == in_the_record(coding(variant, "1")) == [(system.canonical, "1")]
        assert name_of(variant) == system.name


def test_every_spelling_leads_to_the_concept_that_the_canonical_one_leads_to(pack):
    tried = set()
    for value_set in pack.value_sets.values():
        for system in SYSTEMS:
            own = [code for place, code in value_set.codes if place == system.canonical]
            for code in own[:3]:
                expected = value_set.find(system.canonical, code)
                assert expected is not None
                for spelling in (system.canonical, *system.spellings):
                    for variant in variants(spelling):
                        assert value_set.match(in_a_draft(coding(variant, code))) == expected
                        assert value_set.match(in_the_record(coding(variant, code))) == expected
                        tried.add((variant, value_set.id))
    assert len(tried) > 1000


def test_no_spelling_joins_two_systems_and_each_says_where_it_was_seen():
    meant = {}
    for spelling, system in SPELLED:
        for variant in variants(spelling):
            assert meant.setdefault(variant, system.canonical) == system.canonical
    assert len({system.canonical for system in SYSTEMS}) == len({system.name for system in SYSTEMS}) == len(SYSTEMS)
    assert all(system.seen and all(system.spellings.values()) and all(system.differing.values()) for system in SYSTEMS)
    assert {system.base for system in EDITIONS} <= {system.canonical for system in SYSTEMS}


@pytest.mark.parametrize(
    ("sent", "system"),
    [
        ("http://hl7.org/fhir/v2/0078", "http://terminology.hl7.org/CodeSystem/v2-0078"),
        ("http://hl7.org/fhir/v2/0162|2.9", "http://terminology.hl7.org/CodeSystem/v2-0162"),
        (
            "https://hl7.org/fhir/v3/RouteOfAdministration/",
            "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration",
        ),
        ("http://hl7.org/fhir/v3/GTSAbbreviation", "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"),
        ("http://snomed.info/sct/900000000000207008/version/20241001", SNOMED),
        ("http://snomed.info/sct/731000124108/", SNOMED),
    ],
)
def test_older_addresses_of_hl7_and_editions_sent_as_the_system_are_followed(sent, system):
    assert canonical(sent) == system


@pytest.mark.parametrize(
    "sent",
    [
        "urn:oid:2.16.840.1.113883.6.103",  # ICD-9-CM, beside the OIDs of ICD-10-CM and ICD-10
        "urn:oid:2.16.840.1.113883.6.11",
        "http://hl7.org/fhir/sid/icd-9-cm",
        "http://hl7.org/fhir/sid/icd-10-CM",  # of a path the case counts
        "http://loinc.org.example/",
        "http://example.org/loinc.org",
        "http://snomed.info/sctx",
        "urn:oid:1.2.246.537.6.96.example",
        "loinc",
        "",
    ],
)
def test_what_only_looks_like_a_spelling_stays_as_it_was_sent(sent):
    assert canonical(sent) == sent
    assert name_of(sent) == ""


@given(st.text(max_size=300))
def test_an_unknown_system_stays_as_it_was_sent_and_reading_twice_changes_nothing(sent):
    once = canonical(sent)
    assert once == sent or name_of(once) or once.startswith("http://terminology.hl7.org/CodeSystem/v")
    assert canonical(once) == once


# --- editions


@pytest.mark.parametrize("edition", EDITIONS, ids=[edition.name for edition in EDITIONS])
def test_a_code_of_the_base_means_the_same_in_an_edition_and_prefixes_do_not_cross(pack, edition):
    shared = 0
    for value_set in pack.value_sets.values():
        bases = [c for (system, code), c in value_set.codes.items() if system == edition.base and code == c.code]
        for concept in bases:
            if concept.code not in edition.differing:
                known = value_set.find(edition.canonical, concept.code)
                assert known == value_set.codes.get((edition.canonical, concept.code), concept)
                assert known == concept or known.system == edition.canonical  # listed for the edition itself
                shared += 1
        for prefix in value_set.prefixes:
            if prefix.system in (edition.base, ICD_10_CM):
                assert value_set.find(prefix.system, f"{prefix.code}9") is not None
                known = value_set.find(edition.canonical, f"{prefix.code}9")
                assert known is None or known.system == edition.canonical  # listed for the edition itself
        assert edition.canonical in value_set.systems or not bases
    assert shared > 10


def test_codes_that_only_icd_10_cm_has_mean_nothing_in_who_and_in_its_editions(pack):
    tried = 0
    for value_set in pack.value_sets.values():
        for system, code in value_set.codes:
            if system == ICD_10_CM and (ICD_10, code) not in value_set.codes:
                tried += 1
                assert value_set.find(ICD_10, code) is None
                for edition in EDITIONS:
                    concept = value_set.find(edition.canonical, code)
                    assert concept is None or concept.system == edition.canonical  # listed for the edition itself
    assert tried > 20


@pytest.mark.parametrize(
    ("value_set", "system", "code", "is_in"),
    [
        ("pernicious-anaemia", GM, "D51.0", True),
        ("pernicious-anaemia", GM, "D510", True),
        ("reduced-kidney-function", GM, "N18.6", False),  # end-stage disease in ICD-10-CM
        ("thrombocytopenia", GM, "D69.41", True),
        ("transfusion-not-covered", GM, "D69.41", False),  # Evans syndrome in ICD-10-CM, something else in ICD-10-GM
        ("transfusion-not-covered", ICD_10_CM, "D69.41", True),
        ("transfusion-not-covered", GM, "D69.53", True),
        ("transfusion-not-covered", ICD_10, "D69.53", False),
        ("transfusion-not-covered", ICD_10_CM, "M31.19", True),
        ("transfusion-not-covered", ICD_10, "M31.1", True),
        ("transfusion-not-covered", ICD_10_CM, "D75.829", True),
        ("transfusion-not-covered", ICD_10_CM, "D75829", True),
        ("transfusion-not-covered", GM, "D75.829", False),
        ("neurological-involvement-with-b12-code", ICD_10_CM, "G63.4", False),
        ("neurological-involvement-with-b12-code", "http://hl7.org/fhir/sid/icd-10-am", "G63.4", True),
        ("neuropathy-cause-not-stated", ICD_10_CM, "F03.A11", True),
        ("neuropathy-cause-not-stated", ICD_10_CM, "H47.213", True),
        ("neuropathy-cause-not-stated", ICD_10_CM, "H47.22", False),  # hereditary
        ("neuropathy-cause-not-stated", ICD_10_CM, "G63", False),  # counts beside a B12 deficiency
        ("neuropathy-cause-not-stated", ICD_10, "G63.8", True),
        ("neuropathy-cause-not-stated", GM, "G62.9", True),
        ("neuropathy-cause-not-stated", GM, "F02.0", False),  # Pick's disease
        ("neuropathy-cause-not-stated", GM, "R26.3", False),  # immobility
        ("diabetes", ICD_10_CM, "E11.42", True),
        ("diabetes", ICD_10_CM, "E12", False),  # WHO only
        ("diabetes", ICD_10, "E14.4", True),
        ("diabetes", GM, "E11.40", True),
        ("diabetes", GM, "E1140", True),
        ("diabetes", ICD_10, "E16.2", False),
        ("kidney-transplant-status", GM, "Z94.0", True),
        ("kidney-transplant-status", ICD_10_CM, "T86.12", False),  # failed
        ("cobalamin-medication", GERMAN_ATC, "B03BA03", True),
        ("cobalamin-medication", "https://dmd.nhs.uk", "39111511000001100", True),
    ],
)
def test_an_edition_holds_what_it_shares_and_what_is_listed_for_it(pack, value_set, system, code, is_in):
    assert (pack.value_sets[value_set].find(canonical(system), code) is not None) == is_in


CPT, HCPCS = "http://www.ama-assn.org/go/cpt", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"


@pytest.mark.parametrize(
    ("value_set", "system", "code", "is_in"),
    [
        ("dialysis-procedure", SNOMED, "302497006", True),
        ("dialysis-procedure", SNOMED, "233573008", False),  # extracorporeal membrane oxygenation
        ("dialysis-procedure", "http://hl7.org/fhir/sid/icd-10-pcs", "5A1D70Z", True),
        ("dialysis-procedure", "urn:oid:2.16.840.1.113883.6.12", "90935", True),
        ("dialysis-procedure", CPT, "90940", False),  # a study of the access
        ("dialysis-procedure", HCPCS, "G0491", True),
        ("b12-administration", "urn:oid:2.16.840.1.113883.6.285", "J3420", True),
        ("b12-administration", CPT, "96372", False),  # an injection of anything
        ("kidney-transplant", SNOMED, "70536003", True),
        ("kidney-transplant", SNOMED, "175899003", False),  # of the patient's own kidney
        ("kidney-transplant", CPT, "50370", False),  # removal of a transplant
    ],
)
def test_a_procedure_is_told_from_what_is_done_around_it(pack, value_set, system, code, is_in):
    assert (pack.value_sets[value_set].find(canonical(system), code) is not None) == is_in


# --- codes without a system


def found(pack, value_set, code, *, text="", display=""):
    """Whether a code without a system is in a value set, in a draft and in the record alike."""
    sent = coding("", code, display)
    ways = {
        pack.value_sets[value_set].match(in_a_draft(sent, text=text)) is not None,
        pack.value_sets[value_set].match(in_the_record(sent, text=text)) is not None,
        pack.value_sets[value_set].find(*in_a_draft(sent, text=text)[0]) is not None if in_a_draft(sent) else False,
    }
    assert len(ways) == 1
    return ways.pop()


@pytest.mark.parametrize(
    ("value_set", "code", "texts"),
    [
        ("platelet-count", "777-3", ["", "Platelet count", "PLATELETS, BLOOD", "777-3", "Blood test"]),
        ("vitamin-b12-level", "2132-9", ["", "Vitamin B12", "Vit B 12 level", "Cobalamin"]),
        ("pernicious-anaemia", "D51.0", ["", "Pernicious anaemia", "Pernicious anemia", "Intrinsic factor deficiency"]),
        ("pernicious-anaemia", "84027009", ["", "Pernicious anaemia"]),
        ("cobalamin-medication", "B03BA03", ["", "Hydroxocobalamin 1 mg"]),
        ("cobalamin-medication", "Q40X8H422O", ["", "HYDROXOCOBALAMIN"]),
        ("route-intramuscular", "78421000", ["", "Intramuscular route"]),
    ],
)
def test_a_code_whose_form_tells_its_system_counts_without_one(pack, value_set, code, texts):
    for text in texts:
        assert found(pack, value_set, code, text=text), text
        assert found(pack, value_set, code, display=text), text


@pytest.mark.parametrize(
    ("value_set", "code", "text"),
    [
        ("vitamin-b12-level", "2132-9", "Magnesium [Mass/volume] in Serum or Plasma"),
        ("platelet-count", "777-3", "Reticulocyte count"),
        ("platelet-count", "777-3", "MPV"),  # no word that the value set has
        ("pernicious-anaemia", "D51.0", "Iron deficiency anaemia"),
        ("cobalamin-medication", "B03BA03", "Cyanocobalamin"),  # another agent of the same set
        ("cobalamin-medication", "B03BA03", "Folic acid 5 mg oral tablet"),
    ],
)
def test_a_code_without_a_system_does_not_count_beside_the_name_of_something_else(pack, value_set, code, text):
    assert found(pack, value_set, code)
    assert not found(pack, value_set, code, text=text)


def test_an_icd_code_without_a_system_counts_only_where_who_and_icd_10_cm_have_it_in_the_value_set(pack):
    assert found(pack, "reduced-kidney-function", "N18.4")
    assert not found(pack, "reduced-kidney-function", "N18.6")  # ICD-10-CM only
    assert not found(pack, "neurological-involvement-with-b12-code", "G63.4")  # WHO only
    assert not found(pack, "transfusion-not-covered", "D75.829")  # a prefix of ICD-10-CM
    for value_set in pack.value_sets.values():
        for _, code in value_set.codes:
            if found(pack, value_set.id, code) and code[0].isalpha() and "." in code:
                assert value_set.find(ICD_10, code) is not None
                assert value_set.find(ICD_10_CM, code) is not None


def test_no_code_of_rxnorm_or_ndc_counts_without_its_system(pack):
    tried = 0
    for value_set in pack.value_sets.values():
        for system, code in value_set.codes:
            if system in (RXNORM, NDC):
                tried += 1
                for anywhere in pack.value_sets:
                    assert not found(pack, anywhere, code)
    assert tried > 100


def test_a_code_without_a_system_never_shows_that_an_entry_is_about_something_else(pack):
    platelets, thrombocytopenia = pack.facts["platelets"].systems, pack.facts["thrombocytopenia"].systems
    assert speaks_in(platelets, in_the_record(coding("urn:oid:2.16.840.1.113883.6.1", "2823-3")))
    assert not speaks_in(platelets, in_the_record(coding("", "2823-3", "Potassium")))
    assert speaks_in(thrombocytopenia, in_the_record(coding(GM, "I10.90")))
    assert not speaks_in(thrombocytopenia, in_the_record(coding("", "I10.9")))


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://loinc.org", "777-4"),
        ("http://loinc.org", "PLT"),
        ("http://snomed.info/sct", "84027008"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "B12-INJ"),
        ("http://www.whocc.no/atc", "HYDROX"),
        (GM, "Anämie"),
    ],
)
def test_what_has_not_the_form_of_a_system_is_no_code_of_it(pack, system, code):
    """A house code that claims a public system does not say that an entry is about something else (Z41)."""
    assert not speaks_in({system}, [(system, code)])


# --- check digits


def altered(code, place, other):
    return code[:place] + other + code[place + 1 :]


@given(st.data())
def test_one_wrong_digit_is_noticed_and_the_code_counts_no_more_without_a_system(pack, data):
    checks = {LOINC: (loinc_is_valid, string.digits), SNOMED: (snomed_is_valid, string.digits)}
    checks[UNII] = (unii_is_valid, string.digits + string.ascii_uppercase)
    every = sorted({pair for value_set in pack.value_sets.values() for pair in value_set.codes if pair[0] in checks})
    system, code = data.draw(st.sampled_from(every))
    is_valid, alphabet = checks[system]
    place = data.draw(st.sampled_from([i for i, character in enumerate(code) if character != "-"]))
    wrong = altered(code, place, data.draw(st.sampled_from(alphabet.replace(code[place], ""))))
    assert is_valid(code)
    assert not is_valid(wrong)
    assert system not in [str(place) for place, _ in codes.unstated([wrong], "")]


@pytest.mark.parametrize("code", ["", "777", "-3", "777-", "٧٧٧-3", "²132-9", "2132-9x", "P6YC3EG20", "p6yc3eg204"])
def test_what_is_no_code_at_all_has_no_valid_check_digit(code):
    assert not loinc_is_valid(code)
    assert not snomed_is_valid(code)
    assert not unii_is_valid(code)
    assert in_a_draft(coding("", code)) == []


def test_the_system_of_a_code_that_was_sent_without_one_is_the_same_after_a_pickle():
    system = UnstatedSystem("http://loinc.org", frozenset({"platelet"}))
    again = pickle.loads(pickle.dumps(system))  # noqa: S301  (ours)
    assert (again, again.words, type(again)) == (system, system.words, UnstatedSystem)
