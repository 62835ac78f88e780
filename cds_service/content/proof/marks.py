"""Where the codes and names of value sets were seen: each mark is a source of its own file."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.content.files import PackFiles, problem_at
from cds_service.content.nearest import instead
from cds_service.vocabulary.problems import Problem


def problems_of_marks(pack_files: PackFiles) -> Iterator[Problem]:
    """Every key under ``verified`` that is none of the ``sources`` of its value set.

    A value set without sources is left alone: its marks are what they say.
    """
    for name, data in pack_files.value_sets.items():
        sources = data.get("sources", {})
        if not sources:
            continue
        path = pack_files.folder / "value-sets" / f"{name}.yaml"
        for member in ("concepts", "names"):
            for index, row in enumerate(data.get(member, ())):
                for mark in row.get("verified", ()):
                    if mark not in sources:
                        said = f"no source {mark!r} under sources{instead(mark, sources, 'sources')}"
                        yield problem_at(path, (member, index, "verified"), "reference", said)
