// Draw a placed call tree on a canvas, and let it be zoomed, pointed at and walked through.
// Only the visible rows are drawn; the canvas stays in place while its rows scroll under it.

import { firstEndingAfter } from "./layout.js";
import { Raster } from "./raster.js";

export const ROW = 20; // CSS pixels
const ZOOM_MS = 160;
const LABEL_FROM = 28; // boxes narrower than this have no text
const VISIBLE = 3; // a row without a box as wide as this needs no room
const SMALL = 0.7; // boxes narrower than this are drawn as one pixel for all that share it

export class Graph {
  // `scroller` scrolls; `canvas` lies in `sheet`, which is as high as all rows; `marks` are the outlines
  // of the box under the pointer and of the one with the keyboard's focus.
  constructor({ scroller, sheet, canvas, marks }, { fillOf, labelOf, dimmed }) {
    Object.assign(this, { scroller, sheet, canvas, marks, fillOf, labelOf, dimmed });
    this.context = canvas.getContext("2d", { alpha: false });
    this.from = 0;
    this.to = 1;
    this.root = 0;
    this.hovered = -1;
    this.focused = 0;
    this.onzoom = () => {};
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(scroller);
  }

  show(placed, root = 0) {
    this.placed = placed;
    this.root = this.focused = root;
    this.hovered = -1;
    [this.from, this.to] = this.range(root);
    this.resize();
    this.reveal(root);
  }

  restyle(palette) {
    this.palette = palette;
    const style = getComputedStyle(this.scroller);
    this.font = `12px ${style.getPropertyValue("--sans")}`;
    this.context.font = this.font;
    this.letter = this.context.measureText("abcdefghijklmnopqrstuvwxyz_._ABC").width / 32;
  }

  // -- size and drawing ------------------------------------------------------------------------------

  // How many rows to make room for: down to the last one with a box that can be seen. What is deeper hangs
  // from slivers, and gets its room when one of them is zoomed.
  rowsFor([from, to]) {
    const { levels, x0, x1 } = this.placed;
    const least = (VISIBLE * (to - from)) / Math.max(1, this.width);
    const seen = (node) => Math.min(to, x1[node]) - Math.max(from, x0[node]) >= least;
    let last = levels.length - 1;
    while (last > 0 && !levels[last].some(seen)) last--;
    return last + 1;
  }

  rowsNeeded() {
    if (!this.placed) return 0;
    const walked = this.placed.depth[this.focused] + 1;
    return Math.max(walked, this.rowsFor([0, 1]), this.rowsFor(this.range(this.root)));
  }

  // An observer tells of the first size too, for which everything is drawn already.
  resized() {
    const { clientWidth, clientHeight } = this.scroller;
    if (clientWidth !== this.width || Math.min(this.rows * ROW, clientHeight || this.rows * ROW) !== this.height) this.resize();
  }

  resize() {
    this.width = this.scroller.clientWidth;
    const rows = (this.rows = this.rowsNeeded());
    this.sheet.style.height = `${rows * ROW}px`;
    const ratio = window.devicePixelRatio || 1;
    this.height = Math.min(rows * ROW, this.scroller.clientHeight || rows * ROW);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.raster = this.canvas.width && this.canvas.height ? new Raster(this.context, ratio) : null;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  draw() {
    if (!this.placed || !this.palette || !this.raster) return;
    const { context, palette, raster } = this;
    raster.clear(palette.background);
    context.font = this.font;
    context.textBaseline = "middle";
    const top = this.scroller.scrollTop;
    const first = Math.floor(top / ROW);
    const last = Math.min(this.placed.levels.length, Math.ceil((top + this.height) / ROW));
    const labels = [];
    for (let level = first; level < last; level++) this.drawLevel(level, level * ROW - top, labels);
    raster.show();
    for (const [node, x, y, width] of labels) {
      context.fillStyle = this.dimmed(node) ? palette.dimText : palette.text;
      this.drawLabel(node, x, y, width);
    }
    this.placeMarks();
  }

  drawLevel(level, y, labels) {
    const { raster, from, to, width } = this;
    const { x0, x1 } = this.placed;
    const nodes = this.placed.levels[level];
    const scale = width / (to - from);
    raster.begin();
    for (let index = firstEndingAfter(nodes, x1, from); index < nodes.length; index++) {
      const node = nodes[index];
      if (x0[node] >= to) break;
      const left = Math.max(0, (x0[node] - from) * scale);
      const right = Math.min(width, (x1[node] - from) * scale);
      const colour = this.fillOf(node);
      if (right - left < SMALL) {
        const pixel = Math.floor(left);
        raster.box(pixel, pixel + 1, colour);
        index = Math.max(index, firstEndingAfter(nodes, x1, from + (pixel + 1) / scale) - 1);
        continue;
      }
      raster.box(left, Math.max(left + SMALL, right - 1), colour);
      if (right - left > LABEL_FROM) labels.push([node, left, y, right - left]);
    }
    raster.end(y, y + ROW - 1);
  }

  drawLabel(node, x, y, width) {
    const text = this.labelOf(node);
    const room = Math.floor((width - 9) / this.letter);
    if (room < 2) return;
    const shown = text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text;
    this.context.fillText(shown, x + 5, y + ROW / 2, width - 7);
  }

  // -- places ----------------------------------------------------------------------------------------

  range(node) {
    const { x0, x1 } = this.placed;
    return x1[node] > x0[node] ? [x0[node], x1[node]] : [0, 1];
  }

  // The box at a point of the canvas, or -1.
  at(x, y) {
    const level = this.placed?.levels[Math.floor((y + this.scroller.scrollTop) / ROW)];
    if (!level || x < 0 || x >= this.width) return -1;
    const place = this.from + (x / this.width) * (this.to - this.from);
    const index = firstEndingAfter(level, this.placed.x1, place);
    return index < level.length && this.placed.x0[level[index]] <= place ? level[index] : -1;
  }

  // Where a box is on the canvas, cut to what is visible.
  box(node) {
    const scale = this.width / (this.to - this.from);
    const left = Math.max(0, (this.placed.x0[node] - this.from) * scale);
    const right = Math.min(this.width, (this.placed.x1[node] - this.from) * scale);
    return { left, width: right - left, top: this.placed.depth[node] * ROW };
  }

  mark(kind, node) {
    this[kind] = node;
    if (this.focused >= 0 && this.placed.depth[this.focused] >= this.rows) this.resize();
    this.placeMarks();
  }

  placeMarks() {
    for (const [kind, element] of Object.entries(this.marks)) {
      const node = this[kind];
      const box = node >= 0 && this.placed ? this.box(node) : null;
      element.hidden = !box || box.width <= 0;
      if (element.hidden) continue;
      element.style.transform = `translate(${box.left}px, ${box.top}px)`;
      element.style.width = `${Math.max(3, box.width - 1)}px`;
    }
  }

  // Scroll so that a box is in sight, with some rows above and below it.
  reveal(node) {
    const top = this.placed.depth[node] * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop + ROW) this.scroller.scrollTop = top - 2 * ROW;
    else if (top + 3 * ROW > scrollTop + clientHeight) this.scroller.scrollTop = top + 4 * ROW - clientHeight;
  }

  // -- zoom ------------------------------------------------------------------------------------------

  zoom(node) {
    this.root = this.focused = node;
    const start = [this.from, this.to];
    const end = this.range(node);
    const began = performance.now();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    cancelAnimationFrame(this.frame);
    const step = (now) => {
      const part = calm ? 1 : Math.min(1, Math.max(0, now - began) / ZOOM_MS);
      const eased = 1 - (1 - part) ** 3;
      [this.from, this.to] = part === 1 ? end : start.map((x, side) => x + (end[side] - x) * eased);
      this.draw();
      if (part < 1) this.frame = requestAnimationFrame(step);
    };
    if (this.rowsNeeded() !== this.rows) this.resize();
    this.reveal(node);
    step(began);
    this.onzoom(node);
  }

  // The box that an arrow key leads to from a box, or -1.
  neighbour(node, key) {
    const { parent, levels, depth, x0, x1 } = this.placed;
    const level = levels[depth[node]];
    const visible = (other) => other !== undefined && x1[other] > this.from && x0[other] < this.to;
    if (key === "ArrowUp") return parent[node];
    if (key === "ArrowDown") {
      const below = levels[depth[node] + 1];
      const child = below?.[firstEndingAfter(below, x1, x0[node])]; // the widest is the leftmost
      return child !== undefined && parent[child] === node ? child : -1;
    }
    const other = level[firstEndingAfter(level, x1, x0[node]) + (key === "ArrowRight" ? 1 : -1)];
    return visible(other) ? other : -1;
  }
}
