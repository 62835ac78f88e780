"""The script of others that the console ships is the one that was published."""

import os
import tarfile

import pytest

from tests.support.npm import UnavailableError, tarball
from tests.support.places import ROOT

STATIC = ROOT / "cds_service" / "console" / "static"
INTEGRITY = "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA=="


def test_the_script_is_the_one_that_npm_serves_and_its_license_stands_beside_it(tmp_path):
    (script,) = STATIC.glob("htmx-*.min.js")
    version = script.name.removeprefix("htmx-").removesuffix(".min.js")
    try:
        package = tarball("htmx.org", version, INTEGRITY, tmp_path)
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with tarfile.open(package) as archive:
        assert archive.extractfile("package/dist/htmx.min.js").read() == script.read_bytes()
        assert archive.extractfile("package/LICENSE").read() == (STATIC / f"htmx-{version}.LICENSE").read_bytes()
