// What the form needs beside htmx: sliders next to their number fields, a short address, folds.
"use strict";
const form = document.getElementById("decide");
const news = document.getElementById("news");
const answer = document.getElementById("answer");

// A field, the list of its units, and what is on record of it.
const partsOf = (name) => ({
  field: document.getElementById(`result-${name}`),
  unit: document.getElementById(`unit-${name}`),
  recorded: () => document.getElementById(`recorded-${name}`).firstElementChild.dataset,
});

// A slider stands where its number is, whatever the unit. While there is none it has no place, and says so.
function follow(slider) {
  const { field, unit, recorded } = partsOf(slider.dataset.name);
  const number = field.value === "" ? NaN : Number(field.value) * JSON.parse(slider.dataset.factors)[unit.value];
  const isGiven = !Number.isNaN(number);
  const begin = recorded().value ?? slider.getAttribute("value"); // where the first key leads on from
  const written = unit.selectedOptions ? unit.selectedOptions[0].text : slider.dataset.written;
  slider.value = isGiven ? number : begin;
  slider.classList.toggle("unset", !isGiven);
  slider.setAttribute("aria-valuetext", isGiven ? `${field.value} ${written}` : "not given");
}
const sliders = [...form.querySelectorAll("input[type=range]")];
for (const slider of sliders) {
  const { field, unit } = partsOf(slider.dataset.name);
  const take = () => {
    field.value = slider.value;
    unit.value = slider.dataset.unit;
    follow(slider);
  };
  slider.addEventListener("input", take);
  // Whoever presses where the slider has been all along means that number too.
  slider.addEventListener("click", () => {
    if (field.value === "") {
      take();
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
  field.addEventListener("input", () => follow(slider));
  unit.addEventListener("input", () => follow(slider));
  follow(slider);
  slider.parentElement.hidden = false;
}

// An empty field asks for its number in the unit in which the record of the patient has it.
const selects = [...form.querySelectorAll("select[id^=unit-]")];
for (const unit of selects) unit.dataset.recorded = partsOf(unit.id.replace("unit-", "")).recorded().unit;
function askAsRecorded() {
  for (const unit of selects) {
    const { field, recorded } = partsOf(unit.id.replace("unit-", ""));
    const now = recorded().unit;
    if (now !== unit.dataset.recorded && field.value === "") unit.value = now;
    unit.dataset.recorded = now;
  }
  for (const slider of sliders) follow(slider);
}

// An address without empty fields, and without the units of empty results, is one that can be passed on.
form.addEventListener("htmx:configRequest", (event) => {
  const sent = event.detail.formData;
  for (const [name, value] of [...sent]) if (value === "") sent.delete(name);
  for (const name of [...sent.keys()]) {
    if (name.startsWith("unit-") && !sent.has(name.replace("unit-", "result-"))) sent.delete(name);
  }
});
// What was unfolded in the answer stays unfolded in the next one.
let unfolded = [];
document.body.addEventListener("htmx:beforeSwap", () => {
  unfolded = [...answer.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
});
document.body.addEventListener("htmx:afterSettle", () => {
  askAsRecorded();
  for (const summary of answer.querySelectorAll("details > summary")) {
    if (unfolded.includes(summary.textContent)) summary.parentElement.open = true;
  }
  for (const fault of form.querySelectorAll(".fault")) {
    const field = document.getElementById(fault.id.replace("fault-", ""));
    if (fault.textContent) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
// A card of other values must not stay where no answer came.
form.addEventListener("htmx:sendError", () => {
  answer.replaceChildren();
  news.textContent = "The service did not answer, so no card is shown.";
});
