// The colours of a flame graph: who wrote the code, or what changed. Read from the page's style sheet.

import { pixelOf } from "./raster.js";

export const KINDS = ["own", "package", "stdlib", "native"];
export const KIND_WORDS = ["your code", "packages", "standard library", "native and other"];
const WORDS = ["text", "dim-text"];
const BOXES = ["background", "root", "match", "dim"];
const CHANGES = ["up", "same", "down"];
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
  // `element` is where the colours of the theme are read: all at once, since each look at a style that
  // was just changed has the browser work it out anew.
  constructor(element) {
    const shades = KINDS.flatMap((kind) => Array.from({ length: SHADES }, (_, shade) => `${kind}-${shade}`));
    const colours = readAll(element, [...WORDS, ...BOXES, ...CHANGES, ...shades]);
    const boxes = channelsOf([...BOXES, ...CHANGES, ...shades].map((name) => colours.get(name)));
    [this.text, this.dimText] = WORDS.map((name) => colours.get(name));
    [this.background, this.root, this.match, this.dim] = boxes.map(pixelOf);
    const [up, same, down, ...fills] = boxes.slice(BOXES.length);
    this.fills = fills.map(pixelOf);
    this.more = ramp(same, up);
    this.less = ramp(same, down);
  }

  // The fill of every frame, a pixel: its kind's colour in the shade of its name.
  framesFills(frames, kinds) {
    return frames.function.map((name, frame) => this.fills[kinds[frame] * SHADES + (hash(name) % SHADES)]);
  }

  // The fill for a change from a to b: grey if none, fullest where a side has nothing.
  change(a, b) {
    const relative = (b - a) / (Math.max(a, b) || 1);
    return (relative >= 0 ? this.more : this.less)[Math.min(STEPS, Math.round(Math.abs(relative) * STEPS))];
  }
}

// The colours of an element's theme by name.
function readAll(element, names) {
  const probes = document.createElement("div");
  probes.hidden = true;
  for (const name of names) probes.append(document.createElement("i"));
  names.forEach((name, index) => { probes.children[index].style.color = `var(--flame-${name})`; });
  element.append(probes);
  const colours = new Map(names.map((name, index) => [name, getComputedStyle(probes.children[index]).color]));
  probes.remove();
  return colours;
}

// Any colours of a style sheet as red, green and blue.
function channelsOf(colours) {
  const canvas = document.createElement("canvas");
  canvas.width = colours.length;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  colours.forEach((colour, index) => {
    context.fillStyle = colour;
    context.fillRect(index, 0, 1, 1);
  });
  const { data } = context.getImageData(0, 0, colours.length, 1);
  return colours.map((_, index) => [...data.subarray(4 * index, 4 * index + 3)]);
}

function ramp(from, to) {
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    return pixelOf(from.map((value, index) => Math.round(value + ((to[index] - value) * step) / STEPS)));
  });
}
