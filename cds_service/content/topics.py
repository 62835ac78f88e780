"""The codes of ``source.topic``: prefix of the pack, id of the decision, id of the rule.

Clients key what they silence on them, some on the code alone. So the codes of two packs that are served together must
differ, and those of a pack never change (Z90).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 100  # characters (Z90)


def prefix_of(head: Mapping[str, Any]) -> str:
    """What topic codes of a pack begin with: the ``topic-prefix`` of its ``pack.yaml``, or its id in camelCase."""
    if "topic-prefix" in head:
        return str(head["topic-prefix"])
    first, *others = re.findall(r"[A-Za-z0-9]+", head["id"]) or [""]
    return "".join([first, *(word[:1].upper() + word[1:] for word in others)])


def topic_of(prefix: str, decision: str, rule: str) -> str:
    """The code of a rule: ``doseLimitOver``, or with a prefix ``drugDoseLimitOver``."""
    return f"{prefix}{decision[:1].upper()}{decision[1:]}{rule}" if prefix else decision + rule
