// <pk-render src="API URL" file="URL" heading="…">: ask for a report, say that it is being rendered, show it.
//   as it is          in a sandboxed frame: it may hold anything
//   kind="text"       as text
//   speedscope="URL"  in our own copy of speedscope, which loads the file
// What was in the element stays until then, and when it fails.

import { loadText, pause, post, waiting } from "./data.js";
import { make } from "./flamegraph/controls.js";

const SANDBOX = "allow-scripts allow-downloads";
const TEXT_LIMIT = 2_000_000; // characters shown of a text; a longer one can be downloaded

class Render extends HTMLElement {
  async connectedCallback() {
    if (this.note) return;
    this.note = make("div", { class: "part-wait", role: "status", text: "Asking for the report…" });
    this.prepend(this.note);
    await this.run();
  }

  async run(begin = async () => {}) {
    try {
      await begin();
      await this.ready();
      await this.show();
      this.note.remove();
      this.dispatchEvent(new CustomEvent("pk:shown", { bubbles: true }));
    } catch (error) {
      this.fail(error.message);
    }
  }

  // -- waiting ---------------------------------------------------------------------------------------

  async ready() {
    const source = this.getAttribute("src");
    const doing = (state) => { this.note.textContent = waiting(state, "Rendering"); };
    for (let tries = 0; ; tries++) {
      const state = JSON.parse(await loadText(source, { onwait: doing }));
      if (state.state === "failed") throw new Error(state.message ?? "The report could not be rendered.");
      if (state.state !== "rendering") return;
      doing(state);
      await pause(tries);
    }
  }

  // A failure is remembered until somebody asks again.
  async again() {
    this.note.className = "part-wait";
    this.note.setAttribute("role", "status");
    this.note.textContent = "Asking for the report…";
    await post(this.getAttribute("src"));
  }

  fail(text) {
    this.note.className = "call bad";
    this.note.setAttribute("role", "alert");
    const again = make("button", { class: "btn sm", type: "button", text: "Try again", onclick: () => this.run(() => this.again()) });
    this.note.replaceChildren(make("div", {}, make("p", { text }), make("p", {}, again)));
  }

  // -- showing ---------------------------------------------------------------------------------------

  show() {
    if (this.getAttribute("kind") === "text") return this.showText();
    return this.showFrame();
  }

  async showText() {
    const text = await loadText(this.getAttribute("file"), { accept: "*/*" });
    const heading = this.getAttribute("heading") ?? "Report";
    this.note.before(make("pre", { class: "report-text", tabindex: "0", role: "region", "aria-label": heading, text: text.slice(0, TEXT_LIMIT) }));
    if (text.length > TEXT_LIMIT) {
      this.note.before(make("p", { class: "part-note", text: "This is the beginning; download the report for all of it." }));
    }
  }

  showFrame() {
    const speedscope = this.getAttribute("speedscope");
    const frame = make("iframe", {
      class: "report-frame", title: this.getAttribute("heading") ?? "Report",
      sandbox: speedscope ? null : SANDBOX, src: speedscope ? this.speedscopeUrl(speedscope) : this.getAttribute("file"),
    });
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
    this.note.before(frame);
    return loaded;
  }

  // speedscope keeps its theme in the storage that it shares with us.
  speedscopeUrl(page) {
    try {
      localStorage.setItem("speedscope-color-scheme", document.documentElement.dataset.theme === "dark" ? "DARK" : "LIGHT");
    } catch {
      // It then follows the system.
    }
    const file = new URL(this.getAttribute("file"), location.href);
    const title = encodeURIComponent(this.getAttribute("heading") ?? "speedscope");
    return `${page}#profileURL=${encodeURIComponent(file.pathname + file.search)}&title=${title}&view=left-heavy`;
  }
}

customElements.define("pk-render", Render);
