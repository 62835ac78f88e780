"""The modules of the package as syntax trees, parsed once for all tests that look at them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache

from tests.support.places import ROOT

PACKAGE = ROOT / "cds_service"


@cache
def modules() -> Mapping[str, ast.Module]:
    """The syntax tree of every module of the package, by its path from there."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
