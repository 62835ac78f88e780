"""The content that is shipped, loaded once for all tests that only read it."""

from __future__ import annotations

from functools import cache

from cds_service.content.load import load_pack
from cds_service.content.model import Pack
from cds_service.packaged import packaged


@cache
def shipped_pack() -> Pack:
    """The pack of ``cards/``; shared, so no test may change it."""
    return load_pack(packaged("cards"))
