"""Where things stand in the checkout, so that no test counts the folders between itself and them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
NODE = TESTS / "support" / "node"
"""Packages of Node.js that tests drive: a FEEL engine, dmn-js, axe-core."""
FHIR_SERVER = TESTS / "support" / "fhir_server"
SECOND_PACK = TESTS / "content" / "second_pack"
EXAMPLES = ROOT / "examples"
SITE = TESTS / "content" / "site"
