// The colours of a flame graph: who wrote the code, or what changed. Read from the page's style sheet.

export const KINDS = ["own", "package", "stdlib", "native"];
export const KIND_WORDS = ["your code", "packages", "standard library", "native and other"];
const SHADES = 5;
const STEPS = 20;

// The kind of each frame, an index of KINDS.
export function kindsOf(frames) {
  return Uint8Array.from(frames.function, (_, frame) => {
    if (frames.own[frame]) return 0;
    const root = frames.root[frame];
    if (root.startsWith("site-packages") || root === "dist-packages") return 1;
    return root === "stdlib" || frames.file[frame].startsWith("<frozen ") ? 2 : 3;
  });
}

// A number by name, so that a function has the same shade everywhere (FNV-1a).
export function hash(text, seed = 2166136261) {
  let value = seed;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  return value >>> 0;
}

export class Palette {
  // `element` is where the colours of the theme are read.
  constructor(element) {
    const probe = document.createElement("i");
    probe.hidden = true;
    element.append(probe);
    const read = (name) => {
      probe.style.color = `var(--flame-${name})`;
      return getComputedStyle(probe).color;
    };
    this.text = read("text");
    this.root = read("root");
    this.match = read("match");
    this.dim = read("dim");
    this.dimText = read("dim-text");
    this.fills = KINDS.flatMap((kind) => Array.from({ length: SHADES }, (_, shade) => read(`${kind}-${shade}`)));
    const [up, same, down] = ["up", "same", "down"].map((name) => channels(read(name)));
    this.more = ramp(same, up);
    this.less = ramp(same, down);
    probe.remove();
  }

  // The fill of every frame: its kind's colour in the shade of its name.
  framesFills(frames, kinds) {
    return frames.function.map((name, frame) => this.fills[kinds[frame] * SHADES + (hash(name) % SHADES)]);
  }

  // The fill for a change from a to b: grey if none, fullest where a side has nothing.
  change(a, b) {
    const relative = (b - a) / (Math.max(a, b) || 1);
    return (relative >= 0 ? this.more : this.less)[Math.min(STEPS, Math.round(Math.abs(relative) * STEPS))];
  }
}

// Any colour of a style sheet as red, green and blue.
function channels(colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
}

function ramp(from, to) {
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const mixed = from.map((value, index) => Math.round(value + ((to[index] - value) * step) / STEPS));
    return `rgb(${mixed.join(" ")})`;
  });
}
