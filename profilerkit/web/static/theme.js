// Choose dark or light before the first paint: what the embedding page shows, else what the reader chose,
// else what the system prefers. A classic script, because a module would run after the paint.
(() => {
  const root = document.documentElement;
  const CHOICE = "profilerkit-theme";
  const COPIED = [
    "bg", "bg-subtle", "bg-muted", "bg-panel", "fg", "fg-muted", "border", "border-emphasized",
    "brand-solid", "brand-subtle",
  ];

  // The root element of the page that embeds us; null when there is none, or of another origin.
  function hostRoot() {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null;
    }
  }

  const host = hostRoot();
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A sandbox without allow-same-origin has no storage.
  function chosen() {
    try {
      return localStorage.getItem(CHOICE);
    } catch {
      return null;
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem(CHOICE, theme);
    } catch {
      // The choice then lasts as long as the page.
    }
  }

  function hosted() {
    if (!host) return null;
    return ["dark", "light"].find((theme) => host.classList.contains(theme)) ?? null;
  }

  // What the reader chose in Airflow, whose origin is ours there: Airflow 2 shows us in no frame.
  function chosenInAirflow() {
    if (root.dataset.themeSource !== "airflow") return null;
    try {
      const dark = localStorage.getItem("darkTheme");  // Airflow 2
      const theme = dark === null ? localStorage.getItem("theme") : JSON.parse(dark) ? "dark" : "light";
      return ["dark", "light"].find((each) => each === theme) ?? null;
    } catch {
      return null;
    }
  }

  function copyColours() {
    const style = window.parent.getComputedStyle(host);
    for (const name of COPIED) {
      const value = style.getPropertyValue(`--chakra-colors-${name}`).trim();
      if (value) root.style.setProperty(`--host-${name}`, value);
      else root.style.removeProperty(`--host-${name}`);
    }
  }

  function apply(theme = hosted() ?? chosen() ?? chosenInAirflow() ?? (system.matches ? "dark" : "light")) {
    root.dataset.theme = theme;
    if (host) copyColours();
    window.dispatchEvent(new Event("pk:theme"));
  }

  if (window.parent !== window) root.classList.add("framed");
  apply();
  system.addEventListener("change", () => apply());
  if (host) {
    new window.parent.MutationObserver(() => apply()).observe(host, { attributeFilter: ["class"] });
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    remember(theme);
    apply(theme);
  });
})();
