"""For whom the service is meant is said where it is connected and where it is tried, in one sentence that leads on."""

import re

from tests.support.places import ROOT


def test_every_service_ends_its_requirements_with_the_intended_use(client, pack):
    said = [service["usageRequirements"] for service in client.get("/cds-services").json["services"]]
    assert len(said) == 3
    assert all(text.endswith(pack.intended_use) for text in said)


def test_it_is_one_sentence_that_names_whom_it_is_not_for_and_leads_to_its_page(pack):
    assert re.findall(r"[.!?](?=\s|$)", pack.intended_use) == ["."]
    for word in ("adults", "not for children", "antidote", "parenteral nutrition", "no card"):
        assert word in pack.intended_use
    assert "the page on intended use in the documentation" in pack.intended_use
    assert not re.search(r"/|\.md", pack.intended_use)  # a path leads nowhere for who reads it in a browser
    text = (ROOT / "docs" / "intended-use.md").read_text(encoding="utf-8")
    for heading in ("For whom", "What silence means", "What it does not see", "Against the FDA's criteria"):
        assert f"\n## {heading}\n" in text


def test_the_first_page_of_the_console_says_it(client, pack):
    assert pack.intended_use in client.get("/").text
