"""The console's pages of courses: told in words, step by step, with the cards of the content that is served."""

import html
import json
import re
import shutil
from functools import cache

import pytest

from cds_service.content.lock import folder_digests
from cds_service.packaged import packaged
from cds_service.replay.courses import read_courses
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

COURSES = read_courses(packaged("fixtures"))
# Names of scenarios, decisions and rules, ids of statements and of resources, and hooks: nothing that a person reads.
NO_WORDS = re.compile(
    r"\b[a-z]{2,}[A-Z]\w*|\b(?!B12\b)[A-Z]\d{1,3}\b|\b[A-Z]\w+/[a-z]\S*|patient-view|order-(?:select|sign)"
)


@pytest.fixture(scope="module")
def without_order_sign(tmp_path_factory):
    """A service of a copy of our pack that does not answer the hook order-sign; our courses are shown with it."""
    cards = shutil.copytree(packaged("cards"), tmp_path_factory.mktemp("content") / "cards")
    head, lock_file = cards / "vitamin-b12" / "pack.yaml", cards / "vitamin-b12" / "lock.json"
    text = head.read_text(encoding="utf-8")
    shortened = re.sub(r"  - id: vitamin-b12-order-sign\n(?:    .*\n)+", "", text)
    assert shortened != text
    head.write_text(shortened, encoding="utf-8")
    lock = json.loads(lock_file.read_text(encoding="utf-8"))
    lock_file.write_text(json.dumps({**lock, "digests": folder_digests(head.parent)}), encoding="utf-8")
    return create_app(Settings(key=KEY, loopback=True, cards=cards)).test_client()


@pytest.fixture(scope="module")
def page_of(client):
    """The page of a path; each is asked for once."""
    return cache(lambda path: client.get(path).text)


def words_of(page):
    """What a person reads of a page, without what is set as code."""
    return " ".join(html.unescape(re.sub(r"<(code|pre)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def step_of(page_of, course, name):
    """The HTML of one step."""
    page = page_of(f"/courses/{course}")
    _, _, from_it = page.partition(f'<section class="step" id="{name}"')
    assert from_it
    return "<section" + from_it.partition('<section class="step"')[0]


def test_the_list_of_courses_leads_to_each(page_of):
    page = page_of("/courses")
    for course in COURSES:
        assert f'href="/courses/{course.name}"' in page


def test_a_course_that_is_not_there_is_not_found(client):
    assert client.get("/courses/none").status_code == 404


def test_the_list_says_whose_treatment_it_is_and_how_grave_its_cards_are(page_of):
    page = page_of("/courses")
    entry = words_of(page[page.index("/courses/falling-platelets") : page.index("/courses/folate-of-another-team")])
    assert "Platelets that fall under chemotherapy" in entry
    assert "Bernard Okoth, 13 steps from 27 Nov 2024 to 17 Nov 2026 critical warning info" in entry


@pytest.mark.parametrize("path", ["/courses", *(f"/courses/{course.name}" for course in COURSES)])
def test_courses_are_told_without_names_of_hooks_scenarios_rules_and_resources(page_of, path):
    page = page_of(path)
    page = re.sub(r'<details class="evidence">.*?</details>', "", page, flags=re.DOTALL)  # citations have their ids
    assert NO_WORDS.findall(words_of(page)) == []


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_a_course_has_a_mark_and_a_step_for_each_moment_that_leads_to_its_answer(page_of, course):
    page = page_of(f"/courses/{course.name}")
    picture = page[page.index("<svg") : page.index("</svg>")]
    for scenario in course.scenarios:
        link = f'href="/?scenario={scenario.name}#story"'
        assert (picture.count(link), page.count(link)) == (1, 3)  # the picture, its table, the step
    assert 'role="group"' in picture and "<title" in picture and "<desc" in picture
    assert page.count('class="differences"') == 0


def test_a_mark_says_its_severity_in_a_word(page_of):
    page = page_of("/courses/falling-platelets")
    marks = re.findall(r'<a href="[^"]+" aria-label="([^"]+)">', page)
    assert "2025-05-16: Renewal at twenty one, 1 card, critical" in marks
    assert "2024-11-27: Before chemotherapy, no card" in marks


def test_a_course_begins_with_its_patient_as_at_the_first_step(page_of):
    page = page_of("/courses/stopping-early")
    banner = words_of(page[page.index("banner alone") : page.index("<figure")])
    assert "Tobias Keller 61 years male born 1963-03-16 Problems Vitamin B12 deficiency" in banner
    assert "88 ng/L, low 3 Dec" in banner
    first = words_of(step_of(page_of, "stopping-early", "loading"))
    assert "Procedures Total gastrectomy, 4 Oct 2024" in first
    assert "88 ng/L" not in first  # once is enough


def test_a_step_says_its_day_what_happens_and_what_was_recorded_before_it(page_of):
    said = words_of(step_of(page_of, "stopping-early", "lowAgain"))
    why = "B12 is low again, and the feet are numb; the record does not say of what."
    assert f"Day 562: the chart is opened 18 Jun 2026 {why}" in said
    assert "Problems Peripheral neuropathy, 16 Jun 2026" in said
    assert "142 ng/L, low, 16 Jun 2026 Homocysteine 21 µmol/L, 16 Jun 2026" in said
    assert "312" not in said  # recorded long before


def test_doses_between_two_steps_are_counted(page_of):
    said = words_of(step_of(page_of, "stopping-early", "forAYear"))
    given = "Doses given Hydroxocobalamin 1 mg/mL injection, 1000 mcg IM, 6 times, 4 Dec 2024 to 16 Dec 2024"
    assert given in said


def test_a_step_without_a_card_says_so_and_keeps_its_reasons_folded(page_of):
    step = step_of(page_of, "stopping-early", "loading")
    said = words_of(step)
    assert "hydroxocobalamin Dose 1000 mcg Route IM How often 3 times a week How long for 2 weeks" in said
    assert "No card Why nothing is said" in said
    assert (
        step.index("<p>No card</p>") < step.index("<details><summary>Why nothing is said") < step.index("As the source")
    )
    assert "The order was signed as drafted." in said


def test_a_step_shows_its_card_as_a_clinician_sees_it(page_of):
    step = step_of(page_of, "stopping-early", "fourMonthly")
    assert '<article class="card warning"' in step and "Change the dosage to 1000 mcg IM monthly" in step
    assert " open" not in step  # nothing is unfolded
    assert "Nothing was ordered or changed." in words_of(step)


def test_a_suggestion_that_was_taken_is_named(page_of):
    said = words_of(step_of(page_of, "maintenance-intervals", "fourMonthly"))
    assert "The suggestion was taken: Change the dosage to 1000 mcg IM monthly." in said


def test_several_orders_are_several_in_the_heading(page_of):
    said = words_of(step_of(page_of, "folate-of-another-team", "loading"))
    assert "Day 231: an order is about to be signed" in said
    said = words_of(step_of(page_of, "pregnancy", "moreFolicAcidBesideB12"))
    assert "Day 202: orders are about to be signed" in said


def test_the_statements_of_a_course_are_quoted_with_their_place(page_of):
    page = page_of("/courses/stopping-early")
    quotes = page[page.index("What the source says of it") : page.index('class="step"')]
    assert quotes.count("<li>") == 3 and 'href="/content#S19"' in quotes


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_no_two_elements_of_a_course_have_the_same_id(page_of, course):
    ids = re.findall(r' id="([^"]+)"', page_of(f"/courses/{course.name}"))
    assert sorted(set(ids)) == sorted(ids)


def test_a_course_of_other_content_says_what_differs(without_order_sign):
    page = without_order_sign.get("/courses/falling-platelets")
    assert page.status_code == 200
    assert "no service answers order-sign" in page.text
