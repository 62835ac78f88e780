"""The stories that the console begins with: each is there, shows what it shows, and a wrong file is a clear error."""

import re

import pytest

from cds_service.packaged import packaged
from cds_service.replay.input_files import FileError
from cds_service.replay.stories import FILE, read_stories

FIXTURES = packaged("fixtures")


@pytest.fixture(scope="module")
def by_name(scenarios):
    return {scenario.name: scenario for scenario in scenarios}


@pytest.fixture(scope="module")
def stories(by_name):
    return read_stories(FIXTURES, by_name)


def test_there_are_eight_stories_and_each_is_answered_as_it_expects(stories, answers):
    assert len(stories) == len({story.title for story in stories}) == 8
    for story in stories:
        expected = [(card["topic"], card["indicator"]) for card in story.scenario.expect]
        fired = answers[story.scenario.name]
        assert (fired.status, [(c["source"]["topic"]["code"], c["indicator"]) for c in fired.cards]) == (200, expected)


def test_the_stories_show_every_severity_silence_and_first_a_suggestion(stories, answers):
    shown = [{card["indicator"] for card in answers[story.scenario.name].cards} for story in stories]
    assert {"critical"} in shown and {"warning"} in shown and {"info"} in shown and set() in shown
    assert answers[stories[0].scenario.name].suggestions


def test_content_without_stories_has_none(tmp_path, by_name):
    assert read_stories(tmp_path, by_name) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("stories: []", 1, "there is at least one"),
        ("- scenario: a", 1, "not a list of stories"),
        ("stories:\n  - kidney/normal", 2, "a scenario, a title and what"),
        ("stories:\n  - {scenario: kidney/normal}", 2, "a scenario, a title and what"),
        ("stories:\n  - {scenario: kidney/normal, title: 22, shows: b}", 2, "a scenario, a title and what"),
        ("stories:\n  - {scenario: kidney/none, title: A, shows: b}", 2, "there is no scenario 'kidney/none'"),
        (
            "stories:\n" + "  - {scenario: kidney/normal, title: A, shows: b}\n" * 2,
            3,
            "is told twice",
        ),
        ("stories: [", 2, "this is not YAML"),
    ],
)
def test_a_file_that_is_no_list_of_stories_is_named_with_its_line(tmp_path, by_name, text, line, said):
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=said) as raised:
        read_stories(tmp_path, by_name)
    assert raised.value.line == line


def test_what_a_story_shows_is_a_sentence_without_ids(stories):
    for story in stories:
        assert story.shows.endswith(".")
        assert not re.search(r"\b[SZLC]\d|[a-z]{2}[A-Z]", story.shows)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("loading-regimen/dailyForAWeek", "Daily for a week"),
        ("folate-first/b12InSameDrafts", "B12 in same drafts"),
        ("platelets-and-im/perMicrolitre", "Per microlitre"),
        ("drugs-in-the-field/besideAMixture", "Beside a mixture"),
    ],
)
def test_the_name_of_a_scenario_is_a_title_for_people(by_name, name, title):
    assert by_name[name].title == title


def test_every_scenario_has_the_title_of_its_file(scenarios):
    assert [scenario.name for scenario in scenarios if not scenario.story] == []
