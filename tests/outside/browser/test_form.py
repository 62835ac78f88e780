"""The form that decides: the card follows as values change, and a button does the same without JavaScript."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=30_000)  # a busy machine answers late

FORM = "/?by=form"
BELOW, WITHIN = "consider platelet transfusion", "thin 25-27G needle"
LOADING = "differs from loading"
LONG = "Daily for 6-7 doses, then every 2 days for 7 doses, then every 3-4 days for 2-3 weeks"
# What a closed select leaves out of the words that are chosen, in pixels of their height and width.
CLIPPED = """
element => [element.scrollWidth - element.clientWidth, element.scrollHeight - element.clientHeight]
"""


@pytest.fixture
def without_script(browser, console):
    """A page in a browser that runs no script."""
    context = browser.new_context(java_script_enabled=False, base_url=console)
    yield context.new_page()
    context.close()


def answer(page: Page):
    return page.locator("#answer")


def news(page: Page):
    """What is said of the answer, aloud too."""
    return page.get_by_role("status").and_(page.locator("#news"))


def test_without_a_story_it_begins_with_an_order_that_gets_a_card_with_a_suggestion(page):
    page.goto(FORM)
    page.get_by_role("button", name="Show the card").click()
    expect(news(page)).to_contain_text(LOADING)
    expect(answer(page).get_by_role("article").first).to_contain_text("Order hydroxocobalamin 1000 mcg IM")


def test_while_there_is_no_news_nothing_lies_over_the_form(page):
    page.goto("/")
    page.get_by_text("A case of your own").click()
    expect(news(page)).to_have_text("")
    assert news(page).evaluate("line => line.offsetHeight") == 0


def test_it_opens_on_the_story_and_its_tile_is_marked_only_while_the_story_is_shown(page):
    page.goto("/")
    tile = page.get_by_role("link", name="Platelets 22, IM injection")
    expect(tile).to_have_attribute("aria-current", "true")
    page.get_by_text("A case of your own").click()
    expect(page.get_by_label("Patient", exact=True).locator("option:checked")).to_contain_text("Kwame Mensah")
    page.get_by_role("button", name="Show the card").click()
    expect(news(page)).to_contain_text(BELOW)
    expect(tile).not_to_have_attribute("aria-current", "true")
    page.get_by_label("Platelet count", exact=True).fill("51")
    expect(news(page)).to_have_text("No card.")
    page.get_by_label("Patient", exact=True).select_option(label="Amara Okafor, 58, female")
    page.get_by_label("Platelet count", exact=True).fill("24")
    expect(answer(page).get_by_text("Amara Okafor")).to_be_visible()
    expect(news(page)).to_contain_text(BELOW)


def test_what_each_band_comes_to_stands_below_the_card_and_beside_the_slider(page):
    page.goto("/")
    bands = page.get_by_role("region", name="What this order comes to with another result")
    expect(bands.get_by_role("listitem")).to_have_count(3)
    expect(bands.get_by_role("link")).to_have_text(["Below 25 ×10⁹/L", "25 to 50 ×10⁹/L", "Above 50 ×10⁹/L"])
    page.get_by_text("A case of your own").click()
    beside = page.locator("#comes-to-platelets")
    expect(beside).to_have_text(
        "For this order: below 25 ×10⁹/L: critical; 25 to 50 ×10⁹/L: warning; above 50 ×10⁹/L: no card."
    )
    page.get_by_label("Route", exact=True).select_option(label="By mouth")
    expect(beside).to_have_text("It does not matter for this order.")
    page.goto("/")
    bands.get_by_role("link", name="25 to 50").click()
    expect(answer(page).get_by_role("article").first).to_contain_text(WITHIN)
    expect(page.get_by_label("Platelet count", exact=True)).to_have_value("25")


def test_a_slider_that_crosses_the_limits_changes_the_card(page):
    page.goto(FORM)
    slider, field = page.get_by_role("slider", name="Platelet count, slider"), page.get_by_label("Platelet count").first
    expect(slider).to_have_value("60")
    for number, words in (("51", LOADING), ("50", WITHIN), ("25", WITHIN), ("24", BELOW), ("51", LOADING)):
        slider.fill(number)
        expect(field).to_have_value(number)
        expect(news(page)).to_contain_text(words)
        expect(answer(page).get_by_role("article").first).to_contain_text(words)
        expect(slider).to_have_attribute("aria-valuetext", f"{number} ×10⁹/L")
    assert "result-platelets=51" in page.url


def test_a_slider_is_moved_by_the_keyboard_and_keeps_the_focus(page):
    page.goto(FORM + "&patient=amara-okafor&result-platelets=25")
    slider = page.get_by_role("slider", name="Platelet count, slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(news(page)).to_contain_text(BELOW)
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(news(page)).to_contain_text(WITHIN)


def test_the_request_as_json_is_that_of_the_card(page):
    page.goto(FORM)
    page.get_by_role("slider", name="Platelet count, slider").fill("24")
    expect(news(page)).to_contain_text(BELOW)
    body = json.loads(page.get_by_label("Body of the call").input_value())
    (order,) = body["context"]["draftOrders"]["entry"]
    assert order["resource"]["medicationCodeableConcept"]["text"] == "Hydroxocobalamin, injection"
    sent = [each for key in body["prefetch"].values() if key for each in key.get("entry", [])]
    (count,) = [each["resource"] for each in sent if each["resource"]["id"] == "form-platelets"]
    assert count["valueQuantity"]["value"] == 24


def test_what_is_unfolded_in_the_answer_stays_so(page):
    page.goto(FORM)
    answer(page).get_by_text("The answer as JSON").click()
    page.get_by_role("slider", name="Platelet count, slider").fill("24")
    expect(news(page)).to_contain_text(BELOW)
    expect(answer(page).locator("details[open] pre").last).to_contain_text("imPlateletsTransfusionFirst")


def test_the_same_by_the_button_without_script(without_script):
    page = without_script
    page.goto(FORM)
    expect(page.get_by_role("slider")).to_have_count(0)
    for number, words in (("51", LOADING), ("50", WITHIN), ("24", BELOW)):
        page.get_by_label("Platelet count", exact=True).fill(number)
        page.get_by_role("button", name="Show the card").click()
        expect(answer(page).get_by_role("article").first).to_contain_text(words)
        expect(page.get_by_label("Platelet count", exact=True)).to_have_value(number)


def test_a_number_in_another_unit_is_judged_in_that_unit_and_has_its_place_on_the_slider(page):
    page.goto(FORM)
    page.get_by_label("Unit of Platelet count").select_option(label="/µL")
    page.get_by_label("Platelet count", exact=True).fill("24000")
    expect(news(page)).to_contain_text(BELOW)
    slider = page.get_by_role("slider", name="Platelet count, slider")
    expect(slider).to_have_value("24")
    expect(slider).to_have_attribute("aria-valuetext", "24000 /µL")


def test_the_slider_of_an_empty_field_has_no_thumb_and_says_that_nothing_is_given(page):
    page.goto("/")
    page.get_by_text("A case of your own").click()
    slider, field = page.get_by_role("slider", name="Platelet count, slider"), page.locator("#result-platelets")
    beside = slider.locator("xpath=following-sibling::*[1]")

    def looks(number):
        """A picture of the slider while its inner number is another, which nobody has given."""
        slider.evaluate("(input, number) => { input.value = number }", number)
        return slider.screenshot()

    expect(slider).to_have_attribute("aria-valuetext", "not given")
    expect(beside).to_be_visible()
    assert beside.inner_text() == "not given"
    assert looks("0") == looks("100") == looks("22")
    slider.focus()
    expect(field).to_have_value("")  # to look is not to give
    page.keyboard.press("ArrowRight")
    expect(field).to_have_value("23")  # the first key leads on from what is on record
    expect(slider).to_have_attribute("aria-valuetext", "23 ×10⁹/L")
    expect(beside).to_be_hidden()
    assert looks("0") != looks("100")
    field.fill("")
    expect(slider).to_have_attribute("aria-valuetext", "not given")
    expect(beside).to_be_visible()


def test_to_press_an_empty_slider_gives_the_number_that_stands_there(page):
    page.goto("/")
    page.get_by_text("A case of your own").click()
    slider, field = page.get_by_role("slider", name="Platelet count, slider"), page.locator("#result-platelets")
    box = slider.bounding_box()
    thumb = 16  # pixels, of which the middle stands at the number
    x = thumb / 2 + (box["width"] - thumb) * 0.22
    slider.click(position={"x": x, "y": box["height"] / 2})
    expect(field).to_have_value("22")
    expect(news(page)).to_contain_text(BELOW)


def test_an_empty_field_takes_the_unit_of_the_patient_who_is_chosen_and_a_filled_one_keeps_its_own(page):
    page.goto("/")
    page.get_by_text("A case of your own").click()
    creatinine, b12 = page.get_by_label("Unit of Creatinine", exact=True), page.locator("#unit-b12-flag")
    expect(creatinine.locator("option:checked")).to_have_text("µmol/L")
    expect(page.locator("#recorded-creatinine")).to_have_text("On record: 80 µmol/L (21 Nov)")
    page.get_by_label("Total vitamin B12 in serum, plasma or blood", exact=True).fill("90")
    page.get_by_label("Patient", exact=True).select_option(label="Amara Okafor, 58, female")
    expect(page.locator("#recorded-creatinine")).to_have_text("On record: 0.8 mg/dL (14 Nov)")
    expect(creatinine.locator("option:checked")).to_have_text("mg/dL")
    expect(b12.locator("option:checked")).to_have_text("ng/L")
    expect(page.get_by_role("region", name="The patient")).to_contain_text("90 ng/L")


def test_treatment_so_far_and_diagnosis_change_what_is_said(page):
    page.goto(FORM)
    page.get_by_label("Under treatment for how many weeks").fill("20")
    page.get_by_label("Treatment so far").select_option(label="As ordered here, already under way")
    expect(news(page)).to_contain_text("more often than maintenance")
    expect(answer(page).get_by_text("Doses given").first).to_be_attached()
    page.get_by_label("Treatment so far").select_option(label="None")
    page.get_by_label("Diagnosis").select_option(label="Inborn error of cobalamin")
    expect(news(page)).to_have_text("No card.")


def test_a_fault_is_said_at_its_field_and_what_was_entered_stays(page):
    page.goto(FORM)
    page.get_by_label("Dose", exact=True).fill("much")
    field = page.get_by_label("Dose", exact=True)
    expect(page.locator("#fault-dose")).to_have_text(
        "Enter a number in digits, with a point before decimals, such as 22.5."
    )
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("much")
    expect(answer(page).get_by_role("article")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Dose", exact=True)).to_have_value("much")
    page.get_by_label("Dose", exact=True).fill("1000")
    expect(news(page)).to_contain_text(LOADING)
    expect(page.get_by_label("Dose", exact=True)).not_to_have_attribute("aria-invalid", "true")


def test_the_address_is_the_case_without_empty_fields(page, without_script):
    page.goto(FORM)
    page.get_by_label("How often").select_option(label="Daily")
    page.get_by_label("Dose", exact=True).fill("10")
    page.wait_for_url("**dose=10&**")
    assert "unit-creatinine" not in page.url and "result-creatinine" not in page.url
    said = answer(page).get_by_role("article").first.inner_text()
    without_script.goto(page.url)
    assert answer(without_script).get_by_role("article").first.inner_text() == said
    expect(without_script.get_by_label("How often")).to_have_value("daily")


def test_where_no_answer_comes_no_card_stays(browser, console):
    """A page of its own: that a call failed is an error that the browser writes into its console."""
    page = browser.new_page(base_url=console)
    page.goto(FORM)
    page.route("**/?by=form**", lambda route: route.abort())
    page.get_by_role("slider", name="Platelet count, slider").fill("24")
    expect(news(page)).to_contain_text("The service did not answer")
    expect(answer(page).get_by_role("article")).to_have_count(0)
    page.close()


def test_no_name_is_clipped(page):
    page.goto(FORM)
    page.get_by_label("How often").select_option(label=LONG)
    page.get_by_label("Diagnosis").select_option(
        label="Platelet disorder in which the source does not cover transfusion"
    )
    for select in page.locator("#decide select").all():
        width, height = select.evaluate(CLIPPED)
        assert (width <= 0, height <= 0) == (True, True), select.get_attribute("id")


@pytest.mark.parametrize("path", [FORM, "/?by=form&patient=amara-okafor&dose=x&weeks=x&result-creatinine=x"])
def test_it_is_open_to_everybody_and_fits_the_screen(page, axe, path):
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(told => told.violations.map(v => [v.impact, v.id, v.nodes[0].html]))")
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []
