// Read the data of a call tree (flamegraph-data in the reference of the reports) into typed arrays, and
// merge what is drawn as one box: siblings of one function, or of one line.

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

// Merge siblings of one group. A merged node stands for the frame that holds most of it.
export function mergeSiblings(tree, groups, weight) {
  const number = new Int32Array(tree.count);
  const parent = [];
  const group = [];
  const frame = [];
  const heaviest = [];
  const seen = new Map();
  for (let node = 0; node < tree.count; node++) {
    const above = node === 0 ? -1 : number[tree.parent[node]];
    const own = tree.frame[node] < 0 ? -1 : groups.of[tree.frame[node]];
    const key = (above + 1) * (groups.count + 1) + own + 1;
    let merged = seen.get(key);
    if (merged === undefined) {
      seen.set(key, (merged = parent.length));
      parent.push(above);
      group.push(own);
      frame.push(tree.frame[node]);
      heaviest.push(weight[node]);
    } else if (weight[node] > heaviest[merged]) {
      heaviest[merged] = weight[node];
      frame[merged] = tree.frame[node];
    }
    number[node] = merged;
  }
  const sum = (column) => {
    const merged = new Float64Array(parent.length);
    for (let node = 0; node < column.length; node++) merged[number[node]] += column[node];
    return merged;
  };
  return {
    count: parent.length,
    parent: Int32Array.from(parent),
    group: Int32Array.from(group),
    frame: Int32Array.from(frame),
    sum,
  };
}
