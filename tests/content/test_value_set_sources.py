"""Where a code or a name was verified can be followed: each mark is a source of its own file, with an address."""

from pathlib import Path

import pytest
import yaml

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())

EXAMPLES = sorted(ROOT.glob("examples/*/value-sets/*.yaml"))


def test_every_mark_of_a_verified_code_or_name_is_a_source_with_an_address():
    faults = []
    for path in [*sorted(ROOT.glob("cards/*/value-sets/*.yaml")), *EXAMPLES]:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        sources = written.get("sources", {})
        rows = [*written["concepts"], *written.get("names", ())]
        marks = {mark for row in rows for mark in row.get("verified", ())}
        faults += [f"{path.name}: {mark} is no source of this file" for mark in sorted(marks - set(sources))]
        faults += [f"{path.name}: no code or name was verified in {key}" for key in sorted(set(sources) - marks)]
        faults += [f"{path.name}: {key} has no address" for key, text in sources.items() if "https://" not in text]
    assert not faults, "\n".join(faults)


# Value sets in which no code rests on one publisher alone, and the codes that are older than that rule.
TWICE = (
    "diabetes",
    "dialysis-procedure",
    "kidney-transplant",
    "kidney-transplant-status",
    "neuropathy-cause-not-stated",
)
OLDER = {"82108004"}


def publisher(mark):
    """Whose source a mark is: the code sets of one publisher count once, and so do all copies of those of VSAC."""
    return "VSAC" if mark.startswith("CV") else mark.partition(":")[0]


@pytest.mark.parametrize("name", TWICE)
def test_every_code_was_seen_in_the_sources_of_two_publishers(name):
    path = ROOT / "cards" / "vitamin-b12" / "value-sets" / f"{name}.yaml"
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["concepts"]
    once = {row["code"] for row in rows if len({publisher(mark) for mark in row["verified"]}) < 2}
    assert not once - OLDER
    assert len({(row["system"], row["code"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_code_of_an_example_was_seen_in_two_sources(path):
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["concepts"]
    assert [row["code"] for row in rows if len({publisher(mark) for mark in row["verified"]}) < 2] == []
