// A tree that grows: each node is the only child of its parent for one group. Typed arrays and a hash table
// with open addressing, since a Map of 50,000 keys costs more than everything else.

export class Nodes {
  constructor(room = 1024) {
    this.count = 0;
    this.parent = new Int32Array(room);
    this.group = new Int32Array(room);
    this.frame = new Int32Array(room);
    this.weight = new Float64Array(room); // of the heaviest part of a node, whose frame it shows
    this.index(room);
    this.add(-1, -1, -1);
  }

  // The child of `parent` for `group`; `frame` is what it shows if `weight` is the most so far.
  child(parent, group, frame, weight) {
    let place = this.placeOf(parent, group);
    for (;;) {
      const node = this.table[place] - 1;
      if (node < 0) break;
      if (this.parent[node] === parent && this.group[node] === group) {
        if (weight > this.weight[node]) {
          this.weight[node] = weight;
          this.frame[node] = frame;
        }
        return node;
      }
      place = (place + 1) & this.mask;
    }
    const node = this.add(parent, group, frame);
    this.weight[node] = weight;
    if (2 * this.count > this.mask) this.index(this.parent.length);
    else this.table[place] = node + 1;
    return node;
  }

  add(parent, group, frame) {
    if (this.count === this.parent.length) this.grow();
    const node = this.count++;
    this.parent[node] = parent;
    this.group[node] = group;
    this.frame[node] = frame;
    return node;
  }

  grow() {
    for (const name of ["parent", "group", "frame", "weight"]) {
      const larger = new this[name].constructor(2 * this[name].length);
      larger.set(this[name]);
      this[name] = larger;
    }
  }

  index(room) {
    this.mask = 2 ** Math.ceil(Math.log2(4 * Math.max(room, this.count))) - 1;
    this.table = new Int32Array(this.mask + 1);
    for (let node = 1; node < this.count; node++) {
      let place = this.placeOf(this.parent[node], this.group[node]);
      while (this.table[place]) place = (place + 1) & this.mask;
      this.table[place] = node + 1;
    }
  }

  placeOf(parent, group) {
    const mixed = Math.imul(parent + 1, 0x9e3779b1) ^ Math.imul(group + 1, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.mask;
  }

  // The arrays without their spare room.
  trimmed() {
    const { count } = this;
    const [parent, group, frame] = [this.parent, this.group, this.frame].map((array) => array.slice(0, count));
    return { count, parent, group, frame };
  }
}
