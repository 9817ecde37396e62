// Find frames by a part of their function or file, and say how much of everything their stacks hold.

// Whether each frame matches; null when there is nothing to search for.
export function matchFrames(frames, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const found = new Uint8Array(frames.function.length);
  for (let frame = 0; frame < found.length; frame++) {
    const place = `${frames.function[frame]}\n${frames.file[frame]}:${frames.line[frame]}`;
    found[frame] = Number(place.toLowerCase().includes(wanted));
  }
  return found;
}

// What stacks with at least one match count: each outermost match with all below it, so nothing twice.
export function matchedTotal(tree, found, total) {
  const inside = new Uint8Array(tree.count);
  let sum = 0;
  for (let node = 1; node < tree.count; node++) {
    if (inside[tree.parent[node]]) {
      inside[node] = 1;
    } else if (found[tree.frame[node]]) {
      inside[node] = 1;
      sum += total[node];
    }
  }
  return sum;
}

// Whether each group has a frame that matches.
export function matchGroups(groups, found) {
  const matching = new Uint8Array(groups.count);
  for (let frame = 0; frame < found.length; frame++) if (found[frame]) matching[groups.of[frame]] = 1;
  return matching;
}
