// Follow links that leave an embedding page: the sandbox of Airflow's frame blocks target=_top and _blank.
// <a href="/dags/etl" data-host> goes there in the host's own router; other origins open a new tab.

function hostWindow() {
  try {
    return window.parent !== window && window.parent.document ? window.parent : null;
  } catch {
    return null;
  }
}

const host = hostWindow();

function within(url) {
  const base = new URL(host.document.querySelector("base")?.getAttribute("href") ?? "/", host.location.href);
  return url.origin === base.origin && url.pathname.startsWith(base.pathname);
}

// React Router listens to popstate, so the host navigates without loading anew.
function route(url) {
  host.history.pushState({}, "", url.href);
  host.dispatchEvent(new host.PopStateEvent("popstate", { state: {} }));
}

function openBeside(url) {
  const link = host.document.createElement("a");
  Object.assign(link, { href: url.href, target: "_blank", rel: "noopener noreferrer" });
  host.document.body.append(link);
  link.click();
  link.remove();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-host]");
  if (!link || !host || event.defaultPrevented) return;
  const url = new URL(link.href);
  if (!/^https?:$/.test(url.protocol)) return;
  event.preventDefault();
  const beside = event.ctrlKey || event.metaKey || event.shiftKey;
  if (within(url) && !beside) route(url);
  else openBeside(url);
});
