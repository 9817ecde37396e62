// Copy to the clipboard: <button data-copy="text">, or data-copy="" for the address of the page.

// Inside a frame the address that leads back here is the host's, if it shows our path in its own.
function address() {
  try {
    const host = window.parent.location;
    return host.search === location.search && host.pathname.includes("plugin") ? host.href : location.href;
  } catch {
    return location.href;
  }
}

// The clipboard's own interface needs https or localhost, and the leave of an embedding page.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy || address());
  const label = button.querySelector("[data-copied]") ?? button;
  const before = label.textContent;
  if (before === "Copied") return;
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1500);
});
