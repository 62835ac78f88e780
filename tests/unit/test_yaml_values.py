"""What a YAML file of the content means, however it is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.files import read_yaml
from cds_service.vocabulary.problems import ProblemsError


def read(folder, text):
    path = folder / "any.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, "any", is_proven=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: b\nc: [d, 'e', \"f\"]\ng: >-\n  h\n  i\n", {"a": "b", "c": ["d", "e", "f"], "g": "h i"}),
        ("[1, 1.5, 0x10, ~, null, true, false]", [1, 1.5, 16, None, None, True, False]),
        ("[yes, no, on, off, y, 2026-11-30]", ["yes", "no", "on", "off", "y", "2026-11-30"]),
        ("['1', !!str 1, !!int '1', !!float 1]", ["1", "1", 1, 1.0]),
        ("{2: a, true: b, ~: c, d: e}", {2: "a", True: "b", None: "c", "d": "e"}),
        ("{a: 1, b: 2, a: 3}", {"a": 3, "b": 2}),
        ("[{}, [], '', ~]", [{}, [], "", None]),
        ("", None),
        ("a text", "a text"),
        ("a: &x [b, c]\nd: *x\ne: &y f\ng: *y", {"a": ["b", "c"], "d": ["b", "c"], "e": "f", "g": "f"}),
        (
            "a: &x {b: 1, c: [2]}\nd: {<<: *x, b: 3}\ne: {<<: [*x, {f: 4}]}",
            {"a": {"b": 1, "c": [2]}, "d": {"b": 3, "c": [2]}, "e": {"f": 4, "b": 1, "c": [2]}},
        ),
        ("!!set {a}", {"a"}),
    ],
)
def test_a_file_means_what_yaml_says(tmp_path, text, value):
    assert repr(read(tmp_path, text)) == repr(value)


@pytest.mark.parametrize("text", ["? [a]\n: b", "? !!str [a]\n: b", "{a: b, ? {c: d} : e}", "a: !unknown b", "{<<: a}"])
def test_what_cannot_be_a_value_is_told(tmp_path, text):
    with pytest.raises(ProblemsError, match="this is not YAML"):
        read(tmp_path, text)


def test_what_is_named_once_is_one_value(tmp_path):
    found = read(tmp_path, "a: &x [{b: c}]\nd: *x\ne: {f: *x}")
    assert found["a"] is found["d"] is found["e"]["f"]


def test_a_value_may_hold_itself(tmp_path):
    found = read(tmp_path, "a: &x {b: &y [*x, *y]}")
    assert found["a"]["b"][0] is found["a"] and found["a"]["b"][1] is found["a"]["b"]


_TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=50)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
)


@given(value=_VALUES)
def test_json_is_read_as_what_it_means(tmp_path_factory, value):
    assert repr(read(tmp_path_factory.getbasetemp(), json.dumps(value))) == repr(value)
