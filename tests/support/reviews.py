"""Reviews as a deployer records them, by people who do not exist."""

import re

EMPTY = """review:
  version: ""
  authored-by: {role: "", person: "", date: ""}
  checked-by: {role: "", person: "", date: ""}
  next-review: ""
"""


def review(version="9.0.0", next_review="2999-01-01", **changed):
    """A review that is whole; ``changed`` are other lines, by ``authored``, ``checked`` and ``next_review``."""
    authored = changed.get("authored", "{role: Pharmacist, person: register 1, date: 2026-11-20}")
    checked = changed.get("checked", "{role: Haematologist, person: register 2, date: 2026-11-23}")
    return (
        f"review:\n  version: {version}\n  authored-by: {authored}\n  checked-by: {checked}\n"
        f"  next-review: {next_review}\n"
    )


def with_review(text, written, version="9.0.0"):
    """A ``pack.yaml`` of another version, with a review in place of the empty one."""
    assert EMPTY in text
    return re.sub(r"\nversion: \S+", f"\nversion: {version}", text.replace(EMPTY, written), count=1)
