// <pk-flamegraph src="URL" [heading] [table="id"] [state="prefix"]>: a call tree to look through.
// What it shows is in the page's URL: metric, side, direction, group, search, zoom.

import { loadText, waiting } from "../data.js";
import { readState, writeState } from "../state.js";
import { formatShare, formatValue, metricWords } from "../units.js";
import { Palette } from "./colours.js";
import { legend, make, segment, stage } from "./controls.js";
import { Graph } from "./graph.js";
import { Model } from "./model.js";

const KEYS = "Arrow keys walk, Enter zooms, Escape or 0 shows all, Backspace goes one up, / searches.";

class Flamegraph extends HTMLElement {
  async connectedCallback() {
    if (this.body) return;
    this.fallback = [...this.childNodes];
    this.note = make("div", { class: "part-wait", role: "status", text: "Loading the call tree…" });
    this.prepend(this.note);
    window.addEventListener("pk:theme", () => this.restyle());
    window.addEventListener("pk:refresh", () => this.load());
    await this.load();
  }

  get key() {
    return this.getAttribute("state") ?? "";
  }

  // -- data ------------------------------------------------------------------------------------------

  async load() {
    try {
      const text = await loadText(this.getAttribute("src"), { onwait: (state) => { this.note.textContent = waiting(state); } });
      if (text !== this.loaded) this.take(JSON.parse(text));
      this.loaded = text;
    } catch (error) {
      if (!this.model) this.say(error.message, true);
    }
  }

  take(data) {
    const before = this.model;
    this.model = new Model(data);
    if (this.model.tree.metrics.length === 0 || this.model.tree.count < 2) {
      this.say("Nothing was counted, so there is no call tree to draw.");
      return;
    }
    this.restore(before);
    if (!this.body) this.fill();
    this.colour();
    this.rebuild(readState(`${this.key}zoom`));
    this.dispatchEvent(new CustomEvent("pk:drawn", { bubbles: true }));
  }

  // Choose what the URL says, or on a refresh what was shown.
  restore(before) {
    const { model } = this;
    const state = (name) => readState(this.key + name);
    const names = model.tree.metrics.map(({ name }) => name);
    model.metric = Math.max(0, names.indexOf(state("metric") || (before ? names[before.metric] : "")));
    model.inverted = state("direction") === "bottom-up";
    model.byLine = state("group") === "line";
    model.text = state("search");
    if (model.compared && ["a", "b"].includes(state("side"))) model.side = state("side");
  }

  say(text, bad = false) {
    this.note.className = bad ? "part-note bad" : "part-note";
    this.note.textContent = text;
    if (!this.note.isConnected) this.prepend(this.note);
  }

  // -- the parts -------------------------------------------------------------------------------------

  fill() {
    this.parts = stage();
    this.legend = legend();
    this.head = make("div", { class: "part-head" }, ...this.controls());
    this.line = make("div", { class: "flame-line" });
    this.live = make("div", { class: "sr", role: "status", "aria-live": "polite" });
    this.body = make("div", { class: "flame-body" }, this.parts.scroller, this.parts.tip);
    this.note.replaceWith(this.head, this.body, this.line, this.live);
    for (const node of this.fallback) node.remove();
    this.graph = new Graph(this.parts, {
      fillOf: (node) => this.fillOf(node),
      labelOf: (node) => this.model.label(node),
      dimmed: (node) => this.model.matching !== null && !this.model.matches(node),
    });
    this.graph.onzoom = (node) => {
      writeState({ [`${this.key}zoom`]: this.model.pathOf(node) });
      this.reset.disabled = node === 0;
      this.describe(node);
    };
    this.listen();
  }

  controls() {
    const { model } = this;
    const metrics = model.tree.metrics.map(({ name }, index) => make("option", { value: String(index), text: metricWords(name) }));
    this.metric = make("select", { class: "in sm", "aria-label": "Metric", hidden: metrics.length < 2 }, ...metrics);
    this.metric.addEventListener("change", () => {
      const index = Number(this.metric.value);
      this.choose({ metric: index }, { metric: index ? model.tree.metrics[index].name : "" });
    });
    this.side = segment("Side", [["diff", "Diff"], ["a", "A only"], ["b", "B only"]],
      (side) => this.choose({ side }, { side: side === "diff" ? "" : side }));
    this.side.element.hidden = !model.compared;
    this.direction = segment("Direction", [
      ["top-down", "Top-down", "From the program's start to what it calls"],
      ["bottom-up", "Bottom-up", "From what counts itself to its callers"],
    ], (way) => this.choose({ inverted: way === "bottom-up" }, { direction: way === "top-down" ? "" : way }));
    this.grouping = segment("Group by", [["function", "Function"], ["line", "Line"]],
      (group) => this.choose({ byLine: group === "line" }, { group: group === "function" ? "" : group }));
    this.find = make("input", {
      class: "in sm", type: "search", "aria-label": "Highlight frames", placeholder: "Highlight frames",
      oninput: () => this.search(this.find.value), onkeydown: (event) => this.findKey(event),
    });
    this.share = make("output", {});
    this.reset = make("button", { class: "btn sm", type: "button", text: "Reset zoom", onclick: () => this.graph.zoom(0) });
    return [
      make("h2", { text: this.getAttribute("heading") ?? "Flame graph" }), this.legend.owners, this.legend.changes,
      make("span", { class: "sp" }), this.metric, this.side.element, this.direction.element, this.grouping.element,
      make("label", { class: "flame-find" }, this.find, this.share), this.reset,
    ];
  }

  listen() {
    const { canvas, tip } = this.parts;
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") this.hover(...point(event));
    });
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "touch") return; // a finger that is lifted still shows what it touched
      tip.hidden = true;
      this.graph.mark("hovered", -1);
      this.describe(this.graph.focused);
    });
    canvas.addEventListener("click", (event) => {
      const node = this.graph.at(...point(event));
      if (node < 0) return;
      // The first touch of a box tells what it is, the second one zooms.
      if (event.pointerType === "touch" && this.graph.hovered !== node) this.hover(...point(event));
      else this.graph.zoom(node);
    });
    this.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("focus", () => this.describe(this.graph.focused));
  }

  // -- what is shown ---------------------------------------------------------------------------------

  choose(choice, state) {
    const zoomed = this.model.pathOf(this.graph.root);
    Object.assign(this.model, choice);
    const keepsPlace = !("inverted" in choice || "byLine" in choice);
    this.rebuild(keepsPlace ? zoomed : "");
    const zoom = this.model.pathOf(this.graph.root);
    const changes = Object.entries({ ...state, zoom }).map(([name, value]) => [this.key + name, value]);
    writeState(Object.fromEntries(changes));
  }

  rebuild(zoom = "") {
    const { model } = this;
    model.build();
    this.metric.value = String(model.metric);
    this.side.set(model.side);
    this.direction.set(model.inverted ? "bottom-up" : "top-down");
    this.grouping.set(model.byLine ? "line" : "function");
    this.legend.owners.hidden = model.isDiff;
    this.legend.changes.hidden = !model.isDiff;
    if (this.find.value !== model.text) this.find.value = model.text;
    this.parts.canvas.setAttribute("aria-label", this.words());
    const root = model.nodeOf(zoom);
    this.reset.disabled = root === 0;
    this.graph.show(model.placed, root);
    this.tell();
    this.describe(root);
  }

  words() {
    const { model } = this;
    const table = this.getAttribute("table") ? " The table below holds the same numbers." : "";
    const metric = metricWords(model.tree.metrics[model.metric].name);
    return `${this.getAttribute("heading") ?? "Flame graph"} of ${metric}, ${formatValue(model.whole, model.unit)}. ${KEYS}${table}`;
  }

  colour() {
    this.palette = new Palette(this);
    this.fills = this.palette.framesFills(this.model.frames, this.model.kinds);
    this.graph.restyle(this.palette);
  }

  restyle() {
    if (!this.graph) return;
    this.colour();
    this.graph.draw();
  }

  fillOf(node) {
    const { model, palette } = this;
    if (model.matching !== null) {
      if (model.matches(node)) return palette.match;
      return palette.dim;
    }
    if (model.isDiff) return palette.change(model.placed.base[node], model.placed.total[node]);
    const frame = model.placed.frame[node];
    return frame < 0 ? palette.root : this.fills[frame];
  }

  search(text) {
    this.model.text = text;
    writeState({ [`${this.key}search`]: text.trim() });
    this.tell();
    this.graph.draw();
  }

  // Say how much of everything has a match in its stack.
  tell() {
    const { model } = this;
    const found = model.search(model.text);
    this.found = null;
    if (!found) this.share.textContent = "";
    else if (!found.boxes) this.share.textContent = "no match";
    else if (found.base !== null) {
      const [a, b] = [formatShare(found.base, model.baseWhole), formatShare(found.total, model.whole)];
      this.share.textContent = `A ${a} → B ${b}`;
    } else {
      const share = formatShare(found.total, model.whole);
      this.share.textContent = `${share}, ${formatValue(found.total, model.unit)}`;
    }
  }

  hover(x, y) {
    const { tip } = this.parts;
    const node = this.graph.at(x, y);
    this.graph.mark("hovered", node);
    tip.hidden = node < 0;
    if (node < 0) return;
    this.describe(node);
    tip.replaceChildren(make("b", { text: this.model.name(node) }), "\n",
      make("span", { text: this.model.place(node) }), "\n", this.model.numbers(node));
    const right = this.body.clientWidth - tip.offsetWidth - 4;
    const below = y + 26 + tip.offsetHeight < this.body.clientHeight + 60;
    tip.style.transform = `translate(${Math.max(4, Math.min(x + 16, right))}px, ${below ? y + 28 : y - tip.offsetHeight - 2}px)`;
  }

  describe(node) {
    const { model } = this;
    this.line.replaceChildren(
      make("b", { text: model.name(node) }), make("span", { class: "mono", text: model.place(node) }),
      make("span", { text: model.numbers(node) }), make("span", { text: model.kind(node) }),
    );
  }

  // -- keys ------------------------------------------------------------------------------------------

  findKey(event) {
    if (event.key === "Escape" && this.find.value) {
      this.find.value = "";
      this.search("");
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.found ??= { nodes: this.model.matchedNodes(), next: 0 };
      const { nodes } = this.found;
      if (nodes.length) this.focusOn(nodes[this.found.next++ % nodes.length], true);
    }
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && event.target !== this.find) {
      event.preventDefault();
      this.find.focus();
      this.find.select();
    }
    if (event.target !== this.parts.canvas) return;
    const { graph, model } = this;
    const zooms = {
      Enter: graph.focused, " ": graph.focused, Escape: 0, 0: 0, Home: 0,
      Backspace: Math.max(0, model.placed.parent[graph.root]),
    };
    if (event.key in zooms) {
      event.preventDefault();
      graph.zoom(zooms[event.key]);
      this.read(graph.focused);
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      this.focusOn(graph.neighbour(graph.focused, event.key), false);
    }
  }

  focusOn(node, zoomOut) {
    if (node < 0) return;
    const { graph } = this;
    const { x0, x1 } = this.model.placed;
    if (zoomOut && (x1[node] <= graph.from || x0[node] >= graph.to)) graph.zoom(0);
    graph.mark("focused", node);
    graph.reveal(node);
    this.describe(node);
    this.read(node);
  }

  read(node) {
    this.live.textContent = `${this.model.name(node)} ${this.model.place(node)}, ${this.model.numbers(node)}`;
  }
}

customElements.define("pk-flamegraph", Flamegraph);
