"""What can be replayed: scenarios (those of courses too), captured requests and recordings, each as a ``Case``.

A captured request is the JSON that a client sent. The answer expected to it may stand in ``expected.yaml`` in the
folder above its own (see ``fixtures/captured``). A recording is a captured request with the time at which it came:
``{"now", "profile", "request"}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cds_service.protocol.profiles import NAMES
from cds_service.replay.input_files import FileError, read_json, read_yaml
from cds_service.replay.scenario import Scenario, moved
from cds_service.replay.scenarios import read_scenarios
from cds_service.replay.short_forms import FILE as SHORT_FORMS
from cds_service.replay.stories import FILE as STORIES

EXPECTED = "expected.yaml"
FORM = "form.yaml"  # what the form of the console begins with
NO_CASES = (EXPECTED, SHORT_FORMS, STORIES, FORM)  # files of YAML among the cases that hold none


class Case(Protocol):
    """One call that can be fired, at the time ``now``."""

    @property
    def name(self) -> str: ...
    @property
    def hook(self) -> str: ...
    @property
    def now(self) -> datetime: ...
    @property
    def where(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def in_process_only(self) -> bool: ...
    @property
    def profile(self) -> str: ...
    @property
    def preference_item(self) -> Mapping[str, str]: ...

    def request(self, templates: Mapping[str, str], today: datetime | None = None) -> dict[str, Any]:
        """The body of the call; its dates are moved to ``today`` if that is given."""
        ...

    def expected(self, today: datetime) -> Any:
        """What ``expectations.differences`` compares with, for the case moved to ``today``; ``None`` if nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Captured:
    """A request as a client sent it. ``preference_item`` stands for every item of the client's preference list.

    ``expect`` is ``None`` if nothing says what the answer must be. ``where`` is the file.
    """

    name: str
    hook: str
    now: datetime
    body: Mapping[str, Any]
    profile: str = "2.0"
    preference_item: Mapping[str, str] = field(default_factory=dict)
    expect: Any = None
    where: str = ""
    why: str = ""
    in_process_only: bool = False

    def request(self, templates: Mapping[str, str], today: datetime | None = None) -> dict[str, Any]:
        """The body as it was sent, whatever the templates are; its dates are moved with ``now`` to ``today``."""
        return dict(self.body) if today is None else moved(dict(self.body), (today.date() - self.now.date()).days)

    def expected(self, today: datetime) -> Any:
        """What is expected, on whatever day: answers to captured requests are not expected to say dates."""
        return self.expect


def at(case: Case, now: datetime) -> Case:
    """The case to be fired at another time, with the dates in it as they are."""
    if isinstance(case, Scenario | Captured):
        return replace(case, now=now)
    return case


def read_cases(fixtures: Path, paths: Iterable[Path], now: datetime | None = None) -> Iterator[Case]:
    """The cases of files and folders; all scenarios and courses of ``fixtures`` if no paths are given.

    YAML files are stories of scenarios or courses, JSON files captured requests or recordings. ``now`` is the time of
    captured requests that do not say one; without it that is the present.

    Raises:
        FileError: a file holds neither, or there is no such file in a folder.
        OSError: a file cannot be read.
    """
    paths = list(paths)
    if not paths:
        yield from read_scenarios(fixtures)
    for path in paths:
        if not path.is_dir():
            files = [path]
        elif not (files := [p for p in sorted(path.rglob("*")) if _is_case(p)]):
            raise FileError(path, "there are no scenarios or courses (.yaml) and no captured requests (.json) in it")
        for file in files:
            if file.suffix == ".json":
                captured = _captured(file, now or datetime.now(UTC))
                if captured is not None:
                    yield captured
                elif file is path:
                    raise FileError(file, "not a request to a CDS service: it names no hook")
            else:
                yield from read_scenarios(fixtures, [file])


def _is_case(path: Path) -> bool:
    return path.suffix in (".json", ".yaml") and path.name not in NO_CASES


def _captured(file: Path, now: datetime) -> Captured | None:
    """The request in a file; ``None`` if it is JSON of another kind, such as captured feedback."""
    content = read_json(file)
    if not isinstance(content, dict):
        return None
    expected = _expected_beside(file)
    body = content.get("request", content)
    is_recording = body is not content
    hook = body.get("hook") if isinstance(body, dict) else None
    if not isinstance(hook, str):
        return None
    try:
        moment = datetime.fromisoformat(content["now"]) if is_recording else expected.now or now
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        raise FileError(file, "a recording must say the time it was made at, as now") from None
    client = expected.client
    profile = (content if is_recording else client).get("profile", "2.0")
    if profile not in NAMES:
        raise FileError(file, f"its profile is none of {', '.join(NAMES)}")
    return Captured(
        name=f"{file.parent.name}/{file.stem}",
        hook=hook,
        now=moment,
        body=body,
        profile=profile,
        preference_item=client.get("preference-item", {}),
        expect=expected.answer,
        where=str(file),
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """What ``expected.yaml`` says of one file: the time of all, its client, and the answer to it."""

    now: Any = None
    client: Mapping[str, Any] = field(default_factory=dict)
    answer: Any = None


def _expected_beside(file: Path) -> _Expected:
    """What ``expected.yaml`` in the folder above that of ``file`` says of it; nothing if there is none.

    Raises:
        FileError: it is not YAML, or not of that form.
    """
    beside = file.resolve().parent.parent / EXPECTED
    if not beside.is_file():
        return _Expected()
    tree = read_yaml(beside).tree or {}
    try:
        client = tree.get("clients", {}).get(file.parent.name, {})
        return _Expected(tree.get("now"), client, client.get("calls", {}).get(file.stem))
    except AttributeError:
        raise FileError(beside, "clients, each client and its calls are written as names and values") from None
