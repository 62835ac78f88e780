"""An NDC names the same product with hyphens or without, in ten digits or eleven, with its package or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.vocabulary.declarations import NDC, ndc_products


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("0517-0031", "0517-0031"),
        ("0517-0031", "0517-0031-25"),  # 4-4-2
        ("0517-0031", "0517003125"),
        ("0517-0031", "00517-0031-25"),  # 5-4-2
        ("0517-0031", "00517003125"),
        ("63323-044", "63323-044-01"),  # 5-3-2
        ("63323-044", "6332304401"),
        ("63323-044", "63323-0044-01"),
        ("63323-044", "63323004401"),
        ("49884-270", "49884-270-82"),
    ],
)
def test_a_product_is_known_in_every_spelling(pack, listed, sent):
    value_set = pack.value_sets["cobalamin-medication"]
    assert value_set.find(NDC, sent) is value_set.find(NDC, listed) is not None


@pytest.mark.parametrize(
    "sent", ["0517-0032-25", "63323-045-01", "517-31", "6332304", "63323-044-011", "٠٥١٧٠٠٣١٢٥", ""]
)
def test_what_only_looks_alike_is_not_known(pack, sent):
    assert pack.value_sets["cobalamin-medication"].find(NDC, sent) is None


def test_an_ndc_is_never_matched_under_another_system(pack):
    assert pack.value_sets["cobalamin-medication"].find("urn:example", "00517003125") is None


@given(st.text(max_size=14))
def test_any_text_gives_products_of_two_segments_or_none(text):
    assert all(product.count("-") == 1 for product in ndc_products(text))


@given(
    st.sampled_from([(4, 4, 2), (5, 3, 2), (5, 4, 1)]).flatmap(
        lambda lengths: st.tuples(*(st.text("0123456789", min_size=n, max_size=n) for n in lengths))
    )
)
def test_a_ten_digit_code_and_its_eleven_digit_form_share_a_product(segments):
    labeler, product, package = segments
    eleven = labeler.zfill(5) + product.zfill(4) + package.zfill(2)
    assert f"{labeler}-{product}" in ndc_products("-".join(segments))
    assert f"{labeler}-{product}" in ndc_products(eleven)
