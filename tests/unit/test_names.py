"""Names of routes, problems and allergies: what is one spelling, and what stays another name."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_service.fhir.names import LONGEST_NAME, folded, folded_allergy, folded_route, head_of, says_nothing

PERNICIOUS = [
    "Pernicious anaemia",
    "pernicious anemia",
    "PERNICIOUS  ANÆMIA",
    " Pernicious-anaemia. ",
    "Pernicious anemia (disorder)",
    "Pernicious anaemia, unspecified",
    "Pernicious anaemia NOS",
    "[X]Pernicious anaemia",
]
B12 = [
    "Vitamin B12",
    "vitamin b 12",
    "VITAMIN B-12",
    "Vitamin B>12<",
    "Vitamin B₁₂",
    "Vitamin B12 (substance)",
    "Allergy to vitamin B12",
    "Allergic to Vitamin B12",
    "Vitamin B12 allergy",
    "Adverse reaction to vitamin B12",
    "Hypersensitivity to Vitamin B 12",
]
MUSCLE = [
    "intramuscular",
    "Intramuscularly",
    "Intramuscular route (qualifier value)",
    "Injection, intramuscular",
    "by intramuscular injection",
    "Intramuscular use",
    "Vía intramuscular",
]


@pytest.mark.parametrize("text", PERNICIOUS)
def test_one_problem_has_one_spelling(text):
    assert folded(text) == folded("Pernicious anaemia") != ""


@pytest.mark.parametrize("text", B12)
def test_an_allergy_is_named_by_what_it_is_to(text):
    assert folded_allergy(text) == "vitamin b12"


@pytest.mark.parametrize("text", MUSCLE)
def test_a_route_is_named_without_the_words_that_every_route_has(text):
    assert folded_route(text) == "intramuscular"


@pytest.mark.parametrize("text", ["i.m.", "I. M.", "IM", "i/m", "im inj."])
def test_single_letters_are_one_abbreviation(text):
    assert folded_route(text) == "im"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Family history of pernicious anaemia", "Pernicious anaemia"),
        ("No pernicious anaemia", "Pernicious anaemia"),
        ("Suspected pernicious anaemia", "Pernicious anaemia"),
        ("Vitamin B1", "Vitamin B12"),
        ("Oedematous", "Oedema"),
    ],
)
def test_any_other_word_makes_it_another_name(text, other):
    assert folded(text) != folded(other)


@pytest.mark.parametrize("text", ["No allergy to vitamin B12", "Vitamin B12 level", "Vitamin B12 deficiency"])
def test_a_word_beside_the_substance_is_no_allergy_to_it(text):
    assert folded_allergy(text) != "vitamin b12"


@pytest.mark.parametrize(
    ("british", "american"), [("haematoma", "hematoma"), ("oedema", "edema"), ("anæmia", "anemia")]
)
def test_british_and_american_spellings_are_one(british, american):
    assert folded(british) == folded(american)


@pytest.mark.parametrize(
    "text", ["NKDA", "No known allergies", "No known allergy (situation)", "no known DRUG allergies"]
)
def test_nothing_to_list_is_known_by_either_fold(text):
    assert says_nothing(folded_allergy(text))
    assert says_nothing(folded(text))


def test_what_is_too_long_is_no_name():
    assert folded("x" * LONGEST_NAME) != ""
    assert folded("x" * (LONGEST_NAME + 1)) == ""


@given(st.text(max_size=60))
def test_a_fold_has_single_blanks_and_no_case(text):
    for fold in (folded, folded_route):
        assert fold(text) == " ".join(fold(text).split())
        assert fold(text.upper()) == fold(text.upper().lower())


@example("00OAE")
@given(st.one_of(st.text(max_size=12), st.from_regex(r"[a-eoAEOæé\u0301 \-\[\]12]{0,8}", fullmatch=True)))
def test_a_head_is_how_the_fold_begins_or_nothing(text):
    head = head_of(text)
    assert head == "" or folded(text).startswith(head)


@given(
    st.lists(st.sampled_from(["pernicious", "anaemia", "vitamin", "b12", "due", "to"]), min_size=1, max_size=15),
    st.sampled_from(" -_.,;/"),
)
def test_blanks_and_punctuation_do_not_count(words, sign):
    assert folded(sign.join(words)) == folded(" ".join(words)) == folded("  ".join(words).title())


def test_every_name_of_a_value_set_is_found_as_it_is_written(pack):
    routes = [value_set for value_set in pack.value_sets.values() if value_set.kind == "route"]
    assert routes
    for value_set in routes:
        assert value_set.names
        assert all(value_set.names[folded_route(name.display)] is name for name in value_set.names.values())


def test_no_name_means_two_routes(pack):
    names = [name for value_set in pack.value_sets.values() if value_set.kind == "route" for name in value_set.names]
    assert len(names) == len(set(names))
    assert "" not in names
