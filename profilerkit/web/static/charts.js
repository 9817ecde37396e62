// Common to the charts: uPlot, colours of the theme, axes, and marks that are drawn over the lines.

import { formatValue } from "./units.js";

const LIBRARY = new URL("vendor/uplot/uPlot.iife.min.js", import.meta.url);
let loading;

// uPlot's small build is a classic script that sets a global.
export function loadUPlot() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => reject(new Error("The charts' library could not be loaded."));
    document.head.append(script);
  });
  return loading;
}

// Colours by name of their token, as the theme has them now.
export function colours(...names) {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return found;
}

export function faded(colour, part) {
  const [red, green, blue] = colour.match(/[\d.]+/g);
  return `rgb(${red} ${green} ${blue} / ${part})`;
}

const FONT = "11px Inter, Arial, sans-serif";

export function axis(colour, more) {
  return {
    font: FONT,
    stroke: colour.muted,
    ...more,
    grid: { stroke: colour.border, width: 1, ...more.grid },
    ticks: { stroke: colour.border, width: 1, size: 5, ...more.ticks },
  };
}

// Round steps for an axis of bytes: 1, 2, 4, 8, … of a binary unit.
function byteSteps() {
  return Array.from({ length: 50 }, (_, power) => 2 ** power);
}

// Round steps for an axis of seconds.
function secondSteps() {
  const [minute, hour, day] = [60, 3600, 86400];
  const small = [-3, -2, -1].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
  return [
    ...small, 1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute,
    hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 28 * day,
  ];
}

// The steps that suit a unit; uPlot's own where none do.
export function steps(unit) {
  return { bytes: byteSteps, seconds: secondSteps }[unit]?.();
}

// A number beside an axis: without decimals that say nothing, and without a unit that the title says.
export function tick(value, unit) {
  return formatValue(value, ["bytes", "seconds"].includes(unit) ? unit : "").replace(/\.0(?= )| 00 (s|min)$/, "");
}

// Run `paint` with uPlot's canvas in CSS pixels, clipped to the plot.
export function paintOver(chart, paint) {
  const context = chart.ctx;
  const ratio = chart.pxRatio ?? window.devicePixelRatio ?? 1;
  context.save();
  context.scale(ratio, ratio);
  context.font = FONT;
  context.textBaseline = "middle";
  const left = chart.bbox.left / ratio;
  const top = chart.bbox.top / ratio;
  paint(context, { left, top, right: left + chart.bbox.width / ratio, bottom: top + chart.bbox.height / ratio });
  context.restore();
}

// A text with a border, kept within the plot.
export function label(context, plot, text, { x, y, ink, edge, ground }) {
  const width = context.measureText(text).width + 12;
  const left = Math.min(Math.max(plot.left + 2, x - width - 8), plot.right - width - 2);
  const top = Math.min(Math.max(plot.top + 2, y), plot.bottom - 22);
  context.fillStyle = ground;
  context.fillRect(left, top, width, 19);
  context.strokeStyle = edge;
  context.lineWidth = 1;
  context.setLineDash([]);
  context.strokeRect(left + 0.5, top + 0.5, width - 1, 18);
  context.fillStyle = ink;
  context.textAlign = "left";
  context.fillText(text, left + 6, top + 10);
}
