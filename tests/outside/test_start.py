"""What the start of the service costs."""

import subprocess
import sys


def test_serving_does_not_import_fhir_resources():
    """Z27: it would cost the start a second."""
    code = "import sys, cds_service.service.app as a; a.create_app(); print('fhir.resources' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
