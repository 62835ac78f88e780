"""What the start of the service costs."""

import subprocess
import sys

from tests.support.judged_runs import events, run_in


def test_serving_does_not_import_what_it_does_not_need(tmp_path):
    """``fhir.resources`` would cost it a second (Z27); the others are for replay, for key sets, for content not proven
    and for logs that people read.
    """
    needless = ["fhir.resources", "requests", "jsonschema", "structlog"]
    code = (
        "import sys; from cds_service.service.app import create_app; from cds_service.settings import Settings;"
        "client = create_app(Settings(loopback=True, store=sys.argv[1])).test_client();"
        "assert client.get('/').status_code == 200; print(*set(sys.argv[2:]) & set(sys.modules), '.')"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'store.sqlite3'}", *needless]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ".", done.stdout + done.stderr


def test_serving_population_runs_does_not_import_what_made_them(tmp_path):
    """A service is installed without DuckDB and Arrow; it reads what a run has said of itself."""
    run_in(tmp_path / "runs", "last-year", events(3, 9))
    code = (
        "import sys, cds_service.service.app as a\n"
        "from cds_service.settings import Settings\n"
        "web = a.create_app(Settings(loopback=True, runs=sys.argv[1], store=sys.argv[2])).test_client()\n"
        "paths = ['/population', '/population/last-year', '/content/decisions/imPlatelets', '/metrics']\n"
        "assert [web.get(path).status_code for path in paths] == [200] * len(paths)\n"
        "assert 'would have spoken 3 times' in web.get(paths[2]).text\n"
        "print(sorted({'duckdb', 'pyarrow', 'pandas', 'pyspark'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, tmp_path / "runs", f"sqlite:///{tmp_path / 'store.sqlite3'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
