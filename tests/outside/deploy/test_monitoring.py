"""Alerts and dashboard speak of metrics that there are; each alert is proved by promtool and explained in words."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from cds_service.service.app import create_app
from cds_service.service.metrics import Metrics
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import ROOT

DEPLOY = ROOT / "deploy"
MONITORING = DEPLOY / "monitoring"
RULES = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PROOFS = sorted(MONITORING.glob("*.test.yaml"))
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}


def promtool(*arguments):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def labels_of():
    """The labels of each series that an instance can show, from the metrics themselves; ``up`` is Prometheus' own."""
    app = create_app(Settings(loopback=True, key=KEY))
    told = app.test_client().get("/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", told, re.M))
    found = {"up": {"job", "instance"}}
    for attribute in vars(Metrics()).values():
        metric = getattr(attribute, "parent", attribute)  # of those that are found by their labels
        if not hasattr(metric, "_labelnames"):
            continue
        for family in metric.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert kinds[name] == family.type
            labels = {"instance", "job", *metric._labelnames}
            for suffix in ("_bucket", "_count", "_sum") if family.type == "histogram" else ("",):
                found[name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_every_metric_and_label_that_is_asked_for_is_there(expression, labels_of):
    named = set(re.findall(r"\b(?:cds_service_\w+|up)\b(?![-\"])", re.sub(r'"[^"]*"', "", expression)))
    assert named and named <= set(labels_of)
    asked = {label for inside in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)[!=]", inside)}
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        asked |= set(listed.replace(" ", "").split(","))
    assert asked <= set.union(*(labels_of[name] for name in named))


def test_the_rules_are_rules():
    checked = promtool("check", "rules", MONITORING / "alerts.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("proof", PROOFS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should_and_only_then(proof):
    done = promtool("test", "rules", proof)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_proved_both_ways():
    fires, quiet = set(), set()
    for proof in PROOFS:
        for test in yaml.safe_load(proof.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                (fires if case["exp_alerts"] else quiet).add(case["alertname"])
    assert fires == quiet == {rule["alert"] for rule in RULES}


def test_every_alert_has_a_section_that_says_what_to_do():
    said = re.findall(r"^#+ (CdsService\w+)\n\n(.+)", (DEPLOY / "README.md").read_text(), re.M)
    assert sorted(name for name, text in said if len(text) > 60) == sorted(rule["alert"] for rule in RULES)
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"deploy/README.md#{rule['alert'].lower()}"


def test_every_metric_is_on_the_dashboard(labels_of):
    text = json.dumps([panel["targets"] for panel in DASHBOARD["panels"]])
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in labels_of}
    assert [name for name in families if not re.search(rf"\b{name}(_bucket)?\b", text)] == []


def test_panels_have_ids_of_their_own_and_do_not_lie_on_one_another():
    places, ids = set(), [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not mine & places
        places |= mine
