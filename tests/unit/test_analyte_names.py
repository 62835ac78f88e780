"""Whether the name of a result is that of another analyte than its code means."""

import pytest

from cds_service.fhir.analyte_names import names_another

COMPONENTS = {"Ferritin", "Iron binding capacity"}  # what the codes themselves are called by


@pytest.mark.parametrize(
    ("text", "names", "is_another"),
    [
        ("Ferritin", set(), False),
        ("S-FERRITIN", set(), False),
        ("Ferritin, serum", set(), False),
        ("Transferrin", set(), True),
        ("Iron", set(), True),  # a part of a component is none
        ("Iron", {"iron"}, False),
        ("Something local", set(), False),
        ("", set(), False),
    ],
)
def test_a_common_name_is_another_unless_it_is_a_name_or_a_component_of_the_codes(text, names, is_another):
    assert names_another([text], names | COMPONENTS) is is_another


def test_one_text_that_names_what_was_measured_is_enough():
    assert not names_another(["Iron", "Ferritin"], COMPONENTS)
