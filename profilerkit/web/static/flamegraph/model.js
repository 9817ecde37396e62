// What a flame graph shows of a call tree: its metric, side, direction, grouping and search, and the names
// and numbers of each box.

import { formatChange, formatShare, formatValue } from "../units.js";
import { hash, kindsOf, KIND_WORDS } from "./colours.js";
import { bottomUp, place, topDown } from "./layout.js";
import { matchedTotal, matchFrames, matchGroups } from "./search.js";
import { groupFrames, mergeSiblings, readTree } from "./tree.js";

const CHANGED = 0.1; // from this relative change on, a label says more or less

export class Model {
  constructor(data) {
    this.tree = readTree(data);
    this.frames = this.tree.frames;
    this.kinds = kindsOf(this.frames);
    this.compared = this.tree.baseTotal !== null;
    this.metric = 0;
    this.side = this.compared ? "diff" : "b";
    this.inverted = false;
    this.byLine = false;
    this.text = "";
  }

  get unit() {
    return this.tree.metrics[this.metric].unit;
  }

  get isDiff() {
    return this.side === "diff";
  }

  // Build what is drawn from the choices, and keep it in `placed`.
  build() {
    const { tree, metric, side } = this;
    const [total, self] = side === "a" ? [tree.baseTotal, tree.baseSelf] : [tree.total, tree.self];
    this.groups = groupFrames(this.frames, this.byLine);
    const merged = mergeSiblings(tree, this.groups, total[metric]);
    const columns = { total: total[metric], self: self[metric] };
    if (this.isDiff) Object.assign(columns, { baseTotal: tree.baseTotal[metric], baseSelf: tree.baseSelf[metric] });
    const shape = topDown(merged, columns);
    this.whole = shape.total[0];
    this.baseWhole = shape.base?.[0] ?? 0;
    this.placed = place(this.inverted ? bottomUp(shape) : shape);
    this.search(this.text);
    return this.placed;
  }

  search(text) {
    this.text = text;
    const found = matchFrames(this.frames, text);
    this.matching = found && matchGroups(this.groups, found);
    if (!found) return null;
    const { tree, metric, side } = this;
    const sum = (columns) => matchedTotal(tree, found, columns[metric]);
    return {
      total: sum(side === "a" ? tree.baseTotal : tree.total),
      base: this.isDiff ? sum(tree.baseTotal) : null,
      boxes: this.placed.group.reduce((count, group) => count + (group >= 0 ? this.matching[group] : 0), 0),
    };
  }

  matches(node) {
    const group = this.placed.group[node];
    return this.matching !== null && group >= 0 && this.matching[group] === 1;
  }

  // The visible boxes that match, the widest first.
  matchedNodes() {
    if (!this.matching) return [];
    const nodes = this.placed.levels.flatMap((level) => Array.from(level).filter((node) => this.matches(node)));
    return nodes.sort((a, b) => this.placed.width[b] - this.placed.width[a]);
  }

  // -- words -----------------------------------------------------------------------------------------

  name(node) {
    const frame = this.placed.frame[node];
    return frame < 0 ? "all" : this.frames.function[frame];
  }

  label(node) {
    const name = this.byLine ? `${this.name(node)}:${this.line(node)}` : this.name(node);
    if (!this.isDiff) return name;
    const [a, b] = [this.placed.base[node], this.placed.total[node]];
    if (Math.abs(b - a) < CHANGED * Math.max(a, b)) return name;
    return `${b > a ? "▲" : "▼"} ${name}`;
  }

  line(node) {
    return this.frames.line[this.placed.frame[node]] || "?";
  }

  place(node) {
    const frame = this.placed.frame[node];
    if (frame < 0) return "";
    const { file, line } = this.frames;
    return line[frame] ? `${file[frame]}:${line[frame]}` : file[frame];
  }

  kind(node) {
    const frame = this.placed.frame[node];
    return frame < 0 ? "" : KIND_WORDS[this.kinds[frame]];
  }

  // What is counted in a box, in words; in the bottom-up view a caller has no self of its own.
  numbers(node) {
    const { placed, unit, whole } = this;
    if (this.isDiff) return this.change(node);
    const total = `${formatValue(placed.total[node], unit)} (${formatShare(placed.total[node], whole)})`;
    if (this.inverted && node > 0) {
      return placed.parent[node] === 0 ? `self ${total}` : `${total} of what it calls`;
    }
    const self = `${formatValue(placed.self[node], unit)} (${formatShare(placed.self[node], whole)})`;
    return `total ${total} · self ${self}`;
  }

  change(node) {
    const { unit } = this;
    const [a, b] = [this.placed.base[node], this.placed.total[node]];
    const sign = b > a ? "▲ +" : "▼ ";
    const by = a === b ? "same" : `${sign}${formatValue(b - a, unit)}, ${formatChange(a, b)}`;
    return `A ${formatValue(a, unit)} → B ${formatValue(b, unit)} (${by})`;
  }

  // -- a name for a box that holds across visits, for the page's URL -----------------------------------

  pathOf(node) {
    let path = 0;
    for (const step of this.pathTo(node)) path = this.step(path, step);
    return path ? path.toString(36) : "";
  }

  nodeOf(path) {
    if (!path) return 0;
    const { parent, levels } = this.placed;
    const paths = new Uint32Array(parent.length);
    for (const level of levels.slice(1)) {
      for (const node of level) {
        paths[node] = this.step(paths[parent[node]], node);
        if (paths[node].toString(36) === path) return node;
      }
    }
    return 0;
  }

  pathTo(node) {
    const steps = [];
    for (let each = node; each > 0; each = this.placed.parent[each]) steps.unshift(each);
    return steps;
  }

  step(path, node) {
    return hash(this.groups.keys[this.placed.group[node]], path || undefined);
  }
}
