"""What several threads of one worker do at once."""

import subprocess
import sys

# msgspec describes a type to itself when it is first used, and lets other threads run meanwhile: one that meets the
# half-made description ends the process (seen: two first calls at once). The description is made by this function.
_FIRST_CALLS = """
import sys

from cds_service.service.app import create_app
from cds_service.packaged import packaged
from cds_service.content.needs import templates_of
from cds_service.replay.scenarios import read_scenarios
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode

settings = Settings(loopback=True, key="k" * 32, console="on", store="sqlite:///" + sys.argv[1])
app = create_app(settings)
client = app.test_client()
services = {s["hook"]: s for s in client.get("/cds-services").json["services"]}
described = []

def note(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        described.append(frame.f_locals["obj"].__name__)

sys.setprofile(note)
calls = 0
for scenario in read_scenarios(packaged("fixtures")):
    if scenario.name.split("/")[0] in sys.argv[2:]:
        service = services[scenario.hook]
        body = encode(scenario.request(service["prefetch"], scenario.now))
        path = "/cds-services/" + service["id"]
        answer = client.post(path, data=body, content_type="application/json")
        for card in answer.json.get("cards", []):
            entry = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-23T12:00:00Z"}
            client.post(path + "/feedback", json={"feedback": [entry]})
        client.post(path, data=body[:-9], content_type="application/json")
        calls += 1
sys.setprofile(None)
assert calls > 20, calls
print(" ".join(sorted(set(described))))
"""


def test_no_type_is_described_while_calls_are_answered(tmp_path):
    stories = ("platelets-and-im", "patient-view", "order-sign", "pernicious-anaemia", "nasal", "bad-data")
    command = [sys.executable, "-c", _FIRST_CALLS, str(tmp_path / "store.db"), *stories]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
