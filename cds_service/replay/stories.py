"""The stories that show a content to those who see it for the first time: a few scenarios, with titles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cds_service.replay.input_files import FileError, read_yaml
from cds_service.replay.scenario import Scenario

FILE = "stories.yaml"
_KEYS = {"scenario", "title", "shows"}


@dataclass(frozen=True, slots=True)
class Story:
    """A scenario that is told first, its ``title`` for people, and in a sentence what it ``shows``."""

    title: str
    shows: str
    scenario: Scenario


def read_stories(fixtures: Path, scenarios: Mapping[str, Scenario]) -> list[Story]:
    """The stories of ``fixtures/stories.yaml`` in their order; none where there is no such file.

    ``scenarios`` are all scenarios by name.

    Raises:
        FileError: the file is no list of stories, or one of them names a scenario that is not there.
        OSError: the file cannot be read.
    """
    file = fixtures / FILE
    if not file.is_file():
        return []
    written = read_yaml(file)
    entries = written.tree.get("stories") if isinstance(written.tree, dict) else None
    if not isinstance(entries, list) or not entries:
        raise FileError(file, "not a list of stories: stories is a list, and there is at least one", 1)
    stories: list[Story] = []
    for line, entry in zip(written.lines_of("stories"), entries, strict=True):
        if not isinstance(entry, dict) or entry.keys() != _KEYS or not all(isinstance(v, str) for v in entry.values()):
            raise FileError(file, "a story has a scenario, a title and what it shows, and all are text", line)
        scenario = scenarios.get(entry["scenario"])
        if scenario is None:
            raise FileError(file, f"there is no scenario {entry['scenario']!r}", line)
        if any(scenario is told.scenario for told in stories):
            raise FileError(file, f"the scenario {scenario.name!r} is told twice", line)
        stories.append(Story(entry["title"], entry["shows"], scenario))
    return stories
