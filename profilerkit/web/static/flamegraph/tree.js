// Read the data of a call tree (flamegraph-data in the reference of the reports) into typed arrays, and
// merge what is drawn as one box: siblings of one function, or of one line.

import { Nodes } from "./nodes.js";

const FORMAT = 1;

export function readTree(data) {
  if (data.format > FORMAT) {
    throw new Error("This call tree was written by a newer profilerkit; update this one to see it.");
  }
  const { nodes, frames } = data;
  return {
    count: nodes.parent.length,
    parent: Int32Array.from(nodes.parent),
    frame: Int32Array.from(nodes.frame),
    metrics: data.metrics,
    recorded: data.nodes_recorded ?? nodes.parent.length,
    self: columns(nodes.self),
    total: columns(nodes.total),
    baseSelf: columns(nodes.base_self),
    baseTotal: columns(nodes.base_total),
    frames,
  };
}

function columns(lists) {
  return lists ? lists.map((list) => Float64Array.from(list)) : null;
}

// Give every frame the number of its group: one for each function of a file, or one for each line of it.
export function groupFrames(frames, byLine) {
  const numbers = new Map();
  const of = new Int32Array(frames.function.length);
  for (let frame = 0; frame < of.length; frame++) {
    const line = byLine ? `\0${frames.line[frame]}` : "";
    const key = `${frames.root[frame]}\0${frames.file[frame]}\0${frames.function[frame]}${line}`;
    let group = numbers.get(key);
    if (group === undefined) numbers.set(key, (group = numbers.size));
    of[frame] = group;
  }
  return { of, keys: [...numbers.keys()], count: numbers.size };
}

// Merge siblings of one group. A merged node shows the frame that holds most of it.
export function mergeSiblings(tree, groups, weight) {
  const number = new Int32Array(tree.count);
  const nodes = new Nodes(tree.count);
  for (let node = 1; node < tree.count; node++) {
    const frame = tree.frame[node];
    number[node] = nodes.child(number[tree.parent[node]], groups.of[frame], frame, weight[node]);
  }
  const merged = nodes.trimmed();
  const sum = (column) => {
    const sums = new Float64Array(merged.count);
    for (let node = 0; node < column.length; node++) sums[number[node]] += column[node];
    return sums;
  };
  return { ...merged, sum };
}
