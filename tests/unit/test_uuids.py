"""uuids carry their finding under a keyed tag (Z18)."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.uuids import make_uuid, read_uuid

KEY = b"a key for tests"


@given(finding=st.integers(0, 2**24 - 1), about=st.lists(st.text(), max_size=4))
def test_the_finding_is_read_back_and_the_version_is_eight(finding, about):
    made = make_uuid(KEY, finding, *about)
    assert read_uuid(KEY, made) == finding
    assert UUID(made).version == 8 and made == made.lower()
    assert made == make_uuid(KEY, finding, *about)


@given(finding=st.integers(0, 2**24 - 1), bit=st.integers(0, 127))
def test_a_forged_uuid_is_noticed(finding, bit):
    forged = UUID(int=UUID(make_uuid(KEY, finding, "x")).int ^ 1 << bit)
    assert read_uuid(KEY, str(forged)) is None
    assert read_uuid(b"another key", make_uuid(KEY, finding, "x")) is None


def test_what_is_no_uuid_of_ours_is_noticed():
    assert read_uuid(KEY, "x") is None
    assert read_uuid(KEY, "11111111-1111-4111-8111-111111111111") is None
