// What is wider than its box says so above it, because many systems show no scroll bar until one scrolls. A map begins
// where the way of the request begins, or else with its first node, and not with the empty space beside that.
"use strict";
const HINT = "There is more to the side: scroll it sideways, or with the arrow keys.";
const MARGIN = 48; // pixels, past which nothing fades

function begin(box) {
  const first = box.querySelector(".node.lit") ?? box.querySelector(".node");
  if (!first || !box.checkVisibility({ contentVisibilityAuto: true })) return false;
  box.scrollLeft += first.getBoundingClientRect().left - box.getBoundingClientRect().left - MARGIN;
  return true;
}

function watch(box) {
  const hint = document.createElement("p");
  hint.className = "goes-on";
  hint.textContent = HINT;
  hint.hidden = true;
  box.before(hint);
  let hasBegun = false; // what is folded away cannot be scrolled yet
  const look = () => {
    hasBegun ||= begin(box);
    const hidden = box.scrollWidth - box.clientWidth;
    hint.hidden = hidden < 2;
    box.classList.toggle("cut", hidden - box.scrollLeft >= 2);
    box.classList.toggle("past", box.scrollLeft >= 2);
  };
  new ResizeObserver(look).observe(box);
  if (box.firstElementChild) new ResizeObserver(look).observe(box.firstElementChild);
  box.addEventListener("scroll", look, { passive: true });
  look();
}

const watched = new WeakSet();
function watchAll() {
  for (const box of document.querySelectorAll(".wide")) {
    if (!watched.has(box)) {
      watched.add(box);
      watch(box);
    }
  }
}
watchAll();
document.body.addEventListener("htmx:afterSettle", watchAll);
