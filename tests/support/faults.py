"""One failure for everything that is wrong, for tests that look at all of something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

_SHOWN = 30


def assert_none(faults: Mapping[str, Iterable[object]], looked_at: int) -> None:
    """Fails with every fault under the name of what it was found in; passes if there is none.

    Args:
        faults: what is wrong by the name of what it was found in; a name may stand there with nothing wrong.
        looked_at: how many were looked at. None at all is a fault of the test.
    """
    assert looked_at, "nothing was looked at"
    wrong = {name: [str(fault) for fault in found] for name, found in faults.items()}
    wrong = {name: found for name, found in wrong.items() if found}
    if not wrong:
        return
    lines = [f"{len(wrong)} of {looked_at}:"]
    for name, found in list(wrong.items())[:_SHOWN]:
        lines += [f"  {name}", *(f"    {fault}" for fault in found)]
    if len(wrong) > _SHOWN:
        lines.append(f"  and {len(wrong) - _SHOWN} more: {', '.join(list(wrong)[_SHOWN:])}")
    pytest.fail("\n".join(lines), pytrace=False)
