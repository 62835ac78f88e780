// What the form needs beside htmx: sliders next to their number fields, a short address, folds.
"use strict";
const form = document.getElementById("decide");
const news = document.getElementById("news");
const answer = document.getElementById("answer");

for (const slider of form.querySelectorAll("input[type=range]")) {
  const field = document.getElementById(slider.dataset.field);
  const unit = document.getElementById(slider.dataset.unitField);
  const say = () => {
    slider.classList.toggle("unset", field.value === "");
    slider.setAttribute("aria-valuetext", field.value === "" ? "not entered" : `${slider.value} ${slider.dataset.written}`);
  };
  const follow = () => {
    if (field.value !== "" && unit.value === slider.dataset.unit) slider.value = field.value;
    say();
  };
  slider.addEventListener("input", () => {
    field.value = slider.value;
    unit.value = slider.dataset.unit;
    say();
  });
  field.addEventListener("input", follow);
  unit.addEventListener("input", follow);
  follow();
  slider.parentElement.hidden = false;
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
