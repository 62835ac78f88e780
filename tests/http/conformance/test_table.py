"""The page of conformance: every requirement is on it, every MUST and SHOULD of a service has a test."""

from tests.http.conformance.table import PAGE, page, proofs, requirements


def test_every_requirement_has_a_test_or_a_reason_and_not_both():
    proved = proofs()
    for one in requirements().values():
        assert (one.id in proved) != bool(one.without), one.id


def test_no_test_names_a_requirement_that_is_not_there():
    assert set(proofs()) <= set(requirements())


def test_what_stands_without_a_test_is_a_clients_or_not_used_or_ends_at_the_proxy():
    for one in requirements().values():
        if one.without and one.side != "client" and one.level != "MAY":
            assert one.without.startswith("Not used: ") or "proxy" in one.without, one.id


def test_the_page_is_what_the_tests_say_now():
    """``make conformance`` writes it; that the tests pass is what running them shows."""
    assert PAGE.read_text(encoding="utf-8") == page()
