"""A pod goes nowhere but where its deployer says; read from the files and, where kubectl is, from what they make."""

import ipaddress
import shutil
import subprocess

import pytest
import yaml

from tests.support.places import ROOT

BASE, EXAMPLE = ROOT / "deploy/kubernetes/base", ROOT / "deploy/kubernetes/example"


def built(folder):
    program = shutil.which("kustomize")
    command = [program, "build"] if program else [shutil.which("kubectl"), "kustomize"]
    if command[0] is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    done = subprocess.run([*command, folder], capture_output=True, text=True, timeout=60)
    if "unknown field" in done.stderr:
        pytest.skip("kubectl is too old: its kustomize knows no patches by path")
    assert done.returncode == 0, done.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}["NetworkPolicy"]["spec"]


def test_the_base_lets_a_pod_ask_for_names_and_nothing_else():
    policy = yaml.safe_load((BASE / "network-policy.yaml").read_text())["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (rule,) = policy["egress"]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] and peer["podSelector"]["matchLabels"]
    assert {port["port"] for port in rule["ports"]} == {53}


def test_the_example_adds_addresses_and_ports_that_are_named():
    added = [step["value"] for step in yaml.safe_load((EXAMPLE / "egress.yaml").read_text())]
    assert {port["port"] for rule in added for port in rule["ports"]} == {443, 5432}
    for rule in added:
        assert rule["to"] and rule["ports"]
        for peer in rule["to"]:
            assert ipaddress.ip_network(peer["ipBlock"]["cidr"]).num_addresses == 1


def test_what_is_built_holds_both():
    policy = built(EXAMPLE)
    base = yaml.safe_load((BASE / "network-policy.yaml").read_text())["spec"]["egress"]
    added = [step["value"] for step in yaml.safe_load((EXAMPLE / "egress.yaml").read_text())]
    assert policy["egress"] == [*base, *added]
