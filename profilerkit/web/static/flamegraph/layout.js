// Turn merged trees into what is drawn: where each box begins and ends, from 0 to 1, level by level.
// A shape has parent, group, frame, total and self by node; base is the other side's total, when compared.

import { Nodes } from "./nodes.js";

const INVERTED_STEPS = 200_000; // above this, callers of less than one part in SMALLEST are left out
const SMALLEST = 10_000;
const FEW = 24;

export function topDown(merged, { total, self, baseTotal, baseSelf }) {
  const { sum, parent, group, frame, count } = merged;
  const shape = { count, parent, group, frame, total: sum(total), self: sum(self), base: null, baseSelf: null };
  if (baseTotal) Object.assign(shape, { base: sum(baseTotal), baseSelf: sum(baseSelf) });
  return shape;
}

// Who called what: under the root, every group with what it counts itself, and under each its callers.
// Level by level: `at` is where each counting node's walk to the root has come, `under` its inverted node.
export function bottomUp(shape) {
  const { least, counting } = countingNodes(shape);
  const nodes = new Nodes(2 * shape.count);
  const sums = { total: [shape.total[0]], base: [shape.base?.[0] ?? 0] };
  let walks = counting.map((leaf) => ({ leaf, at: leaf, under: 0 }));
  while (walks.length) {
    for (const walk of walks) step(walk, { shape, nodes, sums });
    const goesOn = ({ at, under }) => at > 0 && Math.max(sums.total[under], sums.base[under]) >= least;
    walks = walks.filter(goesOn);
  }
  return inverted(nodes.trimmed(), sums, shape.base !== null);
}

function countingNodes(shape) {
  const depths = depthsOf(shape.parent);
  const counting = [];
  let steps = 0;
  for (let node = 1; node < shape.count; node++) {
    if (!shape.self[node] && !shape.baseSelf?.[node]) continue;
    counting.push(node);
    steps += depths[node];
  }
  const whole = Math.max(shape.total[0], shape.base?.[0] ?? 0);
  return { counting, least: steps > INVERTED_STEPS ? whole / SMALLEST : 0 };
}

function step(walk, { shape, nodes, sums }) {
  const { leaf, at, under } = walk;
  const value = shape.self[leaf];
  const other = shape.baseSelf === null ? 0 : shape.baseSelf[leaf];
  const node = nodes.child(under, shape.group[at], shape.frame[at], Math.max(value, other));
  sums.total[node] = (sums.total[node] ?? 0) + value;
  sums.base[node] = (sums.base[node] ?? 0) + other;
  walk.at = shape.parent[at];
  walk.under = node;
}

// What an inverted node counts itself is only known at its first level: the function's own.
function inverted(nodes, { total, base }, compared) {
  const first = (values) => Float64Array.from(values, (value, node) => (nodes.parent[node] === 0 ? value : 0));
  return {
    ...nodes,
    total: Float64Array.from(total),
    self: first(total),
    base: compared ? Float64Array.from(base) : null,
    baseSelf: compared ? first(base) : null,
  };
}

function depthsOf(parent) {
  const depths = new Int32Array(parent.length);
  for (let node = 1; node < parent.length; node++) depths[node] = depths[parent[node]] + 1;
  return depths;
}

// Place every box: x0 and x1 by node, and the nodes of each level from left to right, the widest first.
export function place(shape) {
  const width = widths(shape);
  const { starts, children } = childrenByWidth(shape.parent, width);
  const { count } = shape;
  const x0 = new Float64Array(count);
  const x1 = new Float64Array(count);
  const depth = new Int32Array(count);
  const order = new Int32Array(count);
  const levelStarts = [];
  const whole = width[0] || 1;
  x1[0] = width[0] ? 1 : 0;
  let last = 1;
  for (let head = 0; head < last; head++) {
    const node = order[head];
    if (depth[node] === levelStarts.length) levelStarts.push(head);
    let x = x0[node];
    for (let index = starts[node]; index < starts[node + 1]; index++) {
      const child = children[index];
      if (!(width[child] > 0)) break; // the rest has nothing either
      depth[child] = depth[node] + 1;
      x0[child] = x;
      x1[child] = x += width[child] / whole;
      order[last++] = child;
    }
  }
  const levels = levelStarts.map((start, level) => order.subarray(start, levelStarts[level + 1] ?? last));
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

// The children of each node from starts[node] to starts[node + 1], the widest first.
function childrenByWidth(parent, width) {
  const count = parent.length;
  const starts = new Int32Array(count + 1);
  for (let node = 1; node < count; node++) starts[parent[node] + 1]++;
  for (let node = 0; node < count; node++) starts[node + 1] += starts[node];
  const next = starts.slice();
  const children = new Int32Array(Math.max(0, count - 1));
  for (let node = 1; node < count; node++) children[next[parent[node]]++] = node;
  for (let node = 0; node < count; node++) sortByWidth(children, starts[node], starts[node + 1], width);
  return { starts, children };
}

// Most nodes have a few children: for them insertion beats the general sort, which allocates.
function sortByWidth(children, from, to, width) {
  if (to - from > FEW) {
    children.subarray(from, to).sort((a, b) => width[b] - width[a] || a - b);
    return;
  }
  for (let index = from + 1; index < to; index++) {
    const child = children[index];
    let hole = index;
    while (hole > from && width[children[hole - 1]] < width[child]) {
      children[hole] = children[hole - 1];
      hole--;
    }
    children[hole] = child;
  }
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
