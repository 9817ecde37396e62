// Refresh a page while what it shows still changes: <html data-refresh="seconds">, until the server's new
// page no longer says so. Elements with data-live and an id take the new page's content; parts that draw
// data load it again on the event pk:refresh. A button with data-refresh-toggle pauses.

const root = document.documentElement;
const SLOWEST = 120; // seconds between tries while the server does not answer
let paused = false;
let failures = 0;
let timer;

function wait() {
  clearTimeout(timer);
  const seconds = Number(root.dataset.refresh);
  if (!(seconds > 0) || paused) return;
  timer = setTimeout(refresh, Math.min(SLOWEST, Math.max(1, seconds) * 2 ** failures) * 1000);
}

async function refresh() {
  if (document.hidden) return; // visibilitychange asks again
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    failures = 0;
  } catch {
    failures += 1;
  }
  wait();
}

// What a page consists of, by the id or the source of each part.
function parts(page) {
  const found = page.querySelectorAll("[data-live][id], pk-flamegraph, pk-timelines, pk-trend, pk-render");
  return [...found].map((part) => part.id || part.getAttribute("src"));
}

// A part that is new (a flame graph can be drawn now) needs the whole page. One that is gone stays as it is:
// the server is reading a newer capture, and will have it again.
function take(page) {
  const known = new Set(parts(document));
  if (parts(page).some((part) => !known.has(part))) {
    location.reload();
    return;
  }
  for (const element of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(element.id);
    if (!fresh || element.contains(document.activeElement) || element.innerHTML === fresh.innerHTML) continue;
    element.replaceChildren(...document.importNode(fresh, true).childNodes);
  }
  const next = page.documentElement.dataset.refresh;
  if (next) root.dataset.refresh = next;
  else delete root.dataset.refresh;
  document.title = page.title;
  for (const button of document.querySelectorAll("[data-refresh-toggle]")) button.hidden = !next;
  window.dispatchEvent(new Event("pk:refresh"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-refresh-toggle]");
  if (!button) return;
  paused = !paused;
  button.setAttribute("aria-pressed", String(!paused));
  wait();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && root.dataset.refresh && !paused) refresh();
});
wait();
