// Choose two recordings to compare, on any pages of the list: <input type="checkbox" data-pick="id"
// data-label="…" form="pick" name="id"> in rows, and one bar <form id="pick" data-pickbar action="…/compare">.
// Without this script the form itself sends ?id=…&id=….

const KEPT = "profilerkit-picked";
const bar = document.querySelector("[data-pickbar]");
let picked = kept();

function kept() {
  try {
    const list = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(list) ? list.filter((each) => typeof each?.id === "string").slice(0, 2) : [];
  } catch {
    return [];
  }
}

function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(picked));
  } catch {
    // No storage in this frame: the choice lasts as long as the page.
  }
}

function toggle(box) {
  const { pick: id, label = "" } = box.dataset;
  picked = picked.filter((each) => each.id !== id);
  if (box.checked) picked = [...picked, { id, label }].slice(-2); // a third takes the place of the first
  keep();
  show();
}

// Ids sort by time: the older one is A, the baseline.
function target() {
  const [a, b] = picked.map(({ id }) => id).sort();
  const url = new URL(bar.action);
  url.search = new URLSearchParams({ a, b }).toString();
  return url.href;
}

function words() {
  if (picked.length === 1) return `${picked[0].label} · choose one more to compare`;
  const [first, second] = picked.map(({ label }) => label);
  return first === second ? `both ${first}` : `${first} and ${second}`;
}

function show() {
  for (const box of document.querySelectorAll("input[data-pick]")) {
    box.checked = picked.some(({ id }) => id === box.dataset.pick);
    box.closest("tr")?.toggleAttribute("data-picked", box.checked);
  }
  bar.hidden = picked.length === 0;
  bar.querySelector("[data-picked-count]").textContent = `${picked.length} selected`;
  bar.querySelector("[data-picked-words]").textContent = picked.length ? words() : "";
  bar.querySelector("[data-picked-compare]").disabled = picked.length < 2;
}

if (bar) {
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("input[data-pick]")) toggle(event.target);
  });
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    if (picked.length === 2) location.href = target();
  });
  bar.querySelector("[data-picked-clear]")?.addEventListener("click", () => {
    picked = [];
    keep();
    show();
  });
  window.addEventListener("pk:refresh", show);
  window.addEventListener("pageshow", show); // a page that comes back from the history
  show();
}
