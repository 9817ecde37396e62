// Keep what a part of the page shows in the page's URL, so that a copied link shows the same.

export function readState(name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}

// Set the parameters of `changes` in the page's URL; an empty value removes its parameter.
export function writeState(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value == null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === location.href) return;
  const before = location.search;
  history.replaceState(history.state, "", url);
  mirror(before, url.search);
}

// Airflow shows the path of a page that it embeds at the end of its own URL, but only follows full loads.
function mirror(before, after) {
  try {
    const host = window.parent;
    if (host === window || !host.location.href.includes(before) || host.location.search !== before) return;
    host.history.replaceState(host.history.state, "", host.location.pathname + after + host.location.hash);
  } catch {
    // Of another origin: its URL is its own.
  }
}
