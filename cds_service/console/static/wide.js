// A table that is wider than its box says so above it, because many systems show no scroll bar until one scrolls.
"use strict";
const HINT = "This goes on to the right: scroll it sideways, or with the arrow keys.";

function watch(box) {
  const hint = document.createElement("p");
  hint.className = "goes-on";
  hint.textContent = HINT;
  hint.hidden = true;
  box.before(hint);
  const look = () => {
    const hidden = box.scrollWidth - box.clientWidth;
    hint.hidden = hidden < 2;
    box.classList.toggle("cut", hidden - box.scrollLeft >= 2);
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
