"""The metadata that pyproject.toml cannot state: URLs, and README.md as an index of packages can show it (Z92).

An index knows no files beside the README. Where the project has an address (``repository`` in pyproject.toml, under
``tool.hatch.metadata.hooks.custom``), links and images lead there; until then their words stand without a link.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_RELATIVE = re.compile(r"(?P<image>!?)\[(?P<words>[^]]*)\]\((?![a-z]+:|#)(?P<target>[^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """What hatchling calls when it builds the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Adds ``readme`` and ``urls``."""
        repository = str(self.config.get("repository", "")).rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_of(text, repository)}
        metadata["urls"] = urls_of(repository)


def readme_of(text: str, repository: str) -> str:
    """``text`` without relative links: they lead to files of ``repository``, or are words if that is ``""``."""

    def replaced(link: re.Match[str]) -> str:
        if not repository:
            return link["words"]
        return (
            f"{link['image']}[{link['words']}]({repository}/{'raw' if link['image'] else 'blob'}/HEAD/{link['target']})"
        )

    parts = _FENCED.split(text)
    return "".join(part if part.startswith("```") else _RELATIVE.sub(replaced, part) for part in parts)


def urls_of(repository: str) -> dict[str, str]:
    """Where the project and what it is made to are to be found."""
    urls = {"Specification": "https://cds-hooks.hl7.org/"}
    if repository:
        urls |= {
            "Source": repository,
            "Documentation": f"{repository}/blob/HEAD/docs/answers.md",
            "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        }
    return urls
