"""What a run costs with each engine: whose processor time is counted, and what is made of the figures."""

import subprocess
import sys

from tests.load.bench.population_engines import Used
from tests.load.population.page import engines

# As Spark does: a process whose children work, and for which it does not wait.
LEFT_ALONE = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = os.fork()
if not child:
    while time.process_time() < 1.5:
        pass
    os._exit(0)
while os.path.exists(f"/proc/{child}"):
    time.sleep(0.01)
"""


def test_a_process_for_which_nobody_waits_is_counted_too():
    used = Used()
    used.until_the_end_of(subprocess.Popen([sys.executable, "-c", LEFT_ALONE]))
    assert 1 < used.seconds < 4


def test_each_engine_has_a_row_with_what_it_costs_of_the_first():
    run = {"processor seconds": 100.0, "seconds": 60.0, "load": 2.0, "shuffle bytes": 0, "rows that differ": 0}
    spark = run | {"engine": "Spark", "processor seconds": 220.0, "shuffle bytes": 3_000_000}
    figures = {"patients": 1000, "resources": 46_000, "bytes": 3_000_000, "engines": [run | {"engine": "One"}, spark]}
    told = engines(figures)
    assert told.startswith("1,000 patients, 46,000 resources, 3 MB as gzip.")
    assert "| Spark | 220 | 2.2 | 60, with a load of 2 | 3 | 0 |" in told
    both = engines(figures | {"beside": figures | {"patients": 77}})
    assert both.startswith(told) and "77 patients" in both
