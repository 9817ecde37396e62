// Turn merged trees into what is drawn: where each box begins and ends, from 0 to 1, level by level.
// A shape has parent, group, frame, total and self by node; base is the other side's total, when compared.

const INVERTED_NODES = 300_000; // above this, callers of less than one part in SMALLEST are left out
const SMALLEST = 20_000;

export function topDown(merged, { total, self, baseTotal, baseSelf }) {
  const { sum, parent, group, frame, count } = merged;
  const shape = { count, parent, group, frame, total: sum(total), self: sum(self), base: null, baseSelf: null };
  if (baseTotal) Object.assign(shape, { base: sum(baseTotal), baseSelf: sum(baseSelf) });
  return shape;
}

// Who called what: under the root, every group with what it counts itself, and under each its callers.
// Levels are built one after the other from the nodes of the tree that each inverted node stands for.
export function bottomUp(shape) {
  const depths = depthsOf(shape.parent);
  const grown = new Grown(shape);
  let items = [];
  let pairs = 0;
  for (let node = 1; node < shape.count; node++) {
    if (!shape.self[node] && !shape.baseSelf?.[node]) continue;
    items.push(node);
    pairs += depths[node];
  }
  const whole = Math.max(shape.total[0], shape.base?.[0] ?? 0);
  const least = pairs > INVERTED_NODES ? whole / SMALLEST : 0;
  let leaves = Int32Array.from(items);
  let at = Int32Array.from(leaves);
  let under = new Int32Array(leaves.length);
  while (leaves.length) {
    const made = grown.level(leaves, at, under);
    const kept = [];
    for (let item = 0; item < leaves.length; item++) {
      if (shape.parent[at[item]] > 0 && grown.size(made[item]) >= least) kept.push(item);
    }
    leaves = Int32Array.from(kept, (item) => leaves[item]);
    at = Int32Array.from(kept, (item) => shape.parent[at[item]]);
    under = Int32Array.from(kept, (item) => made[item]);
  }
  return grown.shape();
}

// An inverted tree while it grows.
class Grown {
  constructor(source) {
    this.source = source;
    this.parent = [-1];
    this.group = [-1];
    this.frame = [-1];
    this.total = [source.total[0]];
    this.base = [source.base?.[0] ?? 0];
    this.top = [0];
    this.groups = source.group.reduce((most, each) => Math.max(most, each), 0) + 1;
  }

  size(node) {
    return Math.max(this.total[node], this.base[node]);
  }

  // Add the nodes of one level, and return the node of each item.
  level(leaves, at, under) {
    const { source } = this;
    const seen = new Map();
    const made = new Int32Array(leaves.length);
    for (let item = 0; item < leaves.length; item++) {
      const key = under[item] * this.groups + source.group[at[item]];
      let node = seen.get(key);
      if (node === undefined) seen.set(key, (node = this.add(under[item], at[item])));
      const value = source.self[leaves[item]];
      const other = source.baseSelf?.[leaves[item]] ?? 0;
      this.total[node] += value;
      this.base[node] += other;
      if (Math.max(value, other) > this.top[node]) {
        this.top[node] = Math.max(value, other);
        this.frame[node] = source.frame[at[item]];
      }
      made[item] = node;
    }
    return made;
  }

  add(parent, at) {
    this.parent.push(parent);
    this.group.push(this.source.group[at]);
    this.frame.push(this.source.frame[at]);
    this.total.push(0);
    this.base.push(0);
    this.top.push(0);
    return this.parent.length - 1;
  }

  // What an inverted node counts itself is only known at its first level: the function's own.
  shape() {
    const first = (values) => Float64Array.from(values, (value, node) => (this.parent[node] === 0 ? value : 0));
    const compared = this.source.base !== null;
    return {
      count: this.parent.length,
      parent: Int32Array.from(this.parent),
      group: Int32Array.from(this.group),
      frame: Int32Array.from(this.frame),
      total: Float64Array.from(this.total),
      self: first(this.total),
      base: compared ? Float64Array.from(this.base) : null,
      baseSelf: compared ? first(this.base) : null,
    };
  }
}

function depthsOf(parent) {
  const depths = new Int32Array(parent.length);
  for (let node = 1; node < parent.length; node++) depths[node] = depths[parent[node]] + 1;
  return depths;
}

// Place every box: x0 and x1 by node, and the nodes of each level from left to right, the widest first.
export function place(shape) {
  const width = widths(shape);
  const { first, next } = childrenByWidth(shape.parent, width);
  const { count } = shape;
  const x0 = new Float64Array(count);
  const x1 = new Float64Array(count);
  const depth = new Int32Array(count);
  const order = new Int32Array(count);
  const starts = [0];
  const whole = width[0] || 1;
  x1[0] = width[0] ? 1 : 0;
  let last = 1;
  for (let head = 0; head < last; head++) {
    const node = order[head];
    let x = x0[node];
    if (depth[node] === starts.length) starts.push(head);
    for (let child = first[node]; child >= 0; child = next[child]) {
      depth[child] = depth[node] + 1;
      x0[child] = x;
      x1[child] = x += width[child] / whole;
      order[last++] = child;
    }
  }
  const levels = starts.map((start, level) => order.subarray(start, starts[level + 1] ?? last));
  return { ...shape, width, x0, x1, depth, levels };
}

// A box is as wide as the larger of both sides, and never narrower than what hangs from it.
function widths({ count, parent, total, base }) {
  const width = Float64Array.from(total, (value, node) => Math.max(0, value, base ? base[node] : 0));
  if (!base) return width;
  const hanging = new Float64Array(count);
  for (let node = count - 1; node >= 0; node--) {
    width[node] = Math.max(width[node], hanging[node]);
    if (node > 0) hanging[parent[node]] += width[node];
  }
  return width;
}

function childrenByWidth(parent, width) {
  const first = new Int32Array(parent.length).fill(-1);
  const next = new Int32Array(parent.length).fill(-1);
  const order = Int32Array.from(parent, (_, node) => node).sort((a, b) => width[a] - width[b] || b - a);
  for (const node of order) {
    if (node === 0 || !width[node]) continue;
    next[node] = first[parent[node]];
    first[parent[node]] = node;
  }
  return { first, next };
}

// The first node of a level that ends right of x.
export function firstEndingAfter(level, x1, x) {
  let low = 0;
  let high = level.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x1[level[middle]] <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}
