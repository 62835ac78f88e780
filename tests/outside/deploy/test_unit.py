"""The service under what the unit of systemd forbids it, as far as that can be had without systemd."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.servers import Service, status_of

HOOK = "/cds-services/vitamin-b12-order-select"
UNIT = (ROOT / "deploy/systemd/cds-service.service").read_text().splitlines()

# MemoryDenyWriteExecute=yes: PR_SET_MDWE, which refuses what systemd's filter refuses. ProcSubset=pid: a /proc that
# holds processes only, in a mount namespace. Each ends with words that are looked for if the system cannot do it.
FORBID = """
import ctypes, os, sys
system = ctypes.CDLL(None, use_errno=True)
if sys.argv[1] == "memory" and system.prctl(65, 1, 0, 0, 0):
    sys.exit("cannot forbid")
if sys.argv[1] == "proc" and (
    system.unshare(0x20000)
    or system.mount(b"none", b"/", None, 0x44000, None)
    or system.mount(b"proc", b"/proc", b"proc", 0, b"subset=pid")
):
    sys.exit("cannot forbid")
os.execv(sys.executable, [sys.executable, "-m", "cds_service", "serve", "--port", sys.argv[2]])
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")


@pytest.mark.parametrize(
    ("said", "what"), [("MemoryDenyWriteExecute=yes", "memory"), ("ProcSubset=pid", "proc")], ids=["memory", "proc"]
)
def test_hooks_are_answered_under_what_the_unit_forbids(said, what, tmp_path, hook_body):
    assert said in UNIT
    log = tmp_path / "log"
    service = Service(f"sqlite:///{tmp_path}/store.sqlite3", log, ("-c", FORBID, what, "{port}"))
    try:
        service.start()
    except RuntimeError:
        if "cannot forbid" in log.read_text():
            pytest.skip("the kernel knows it not, or only root may")
        raise
    try:
        if what == "proc":
            assert not (Path(f"/proc/{service.process.pid}/root/proc/meminfo")).exists()
        status, answer = status_of(service.base + HOOK, hook_body)
        assert status == 200 and json.loads(answer)["cards"]
        assert status_of(service.base + "/metrics")[0] == 200
        assert status_of(service.base + "/")[0] == 200
    finally:
        service.stop()
