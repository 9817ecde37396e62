// <pk-timelines src="URL" [heading]>: what a recording used over time, all profilers on one time axis.
// Drag, or + and −, select a range, which is in the page's URL; double-click or Escape shows all.

import { axis, colours, faded, label, loadUPlot, paintOver, steps, tick } from "./charts.js";
import { loadText, waiting } from "./data.js";
import { make } from "./flamegraph/controls.js";
import { chartsOf, peakOf } from "./series.js";
import { readState, writeState } from "./state.js";
import { formatMoment, formatValue } from "./units.js";

const TALL = 190;
const LOW = 104;
const HINT = "drag to select a range · double-click to reset";
const NEAR = 0.2; // the limit is drawn when the peak is at least this part of it

class Timelines extends HTMLElement {
  async connectedCallback() {
    if (this.note) return;
    this.fallback = [...this.childNodes];
    this.note = make("div", { class: "part-wait", role: "status", text: "Loading the timelines…" });
    this.prepend(this.note);
    window.addEventListener("pk:theme", () => this.draw());
    window.addEventListener("pk:refresh", () => this.load());
    new ResizeObserver(() => this.fit()).observe(this);
    await this.load();
  }

  async load() {
    try {
      const onwait = (state) => { this.note.textContent = waiting(state); };
      const [uPlot, text] = await Promise.all([loadUPlot(), loadText(this.getAttribute("src"), { onwait })]);
      this.uPlot = uPlot;
      this.take(JSON.parse(text));
    } catch (error) {
      if (!this.head) this.say(error.message, true);
    }
  }

  say(text, bad = false) {
    this.note.className = bad ? "part-note bad" : "part-note";
    this.note.textContent = text;
  }

  take(timelines) {
    const hidden = new Map((this.charts ?? []).flatMap(({ lines }) => lines.map((line) => [line.same + line.profiler, line.hidden])));
    this.timelines = timelines;
    this.charts = chartsOf(timelines);
    if (!this.charts.length) {
      this.say("No profiler of this recording took numbers over time.");
      return;
    }
    for (const line of this.charts.flatMap(({ lines }) => lines)) line.hidden = hidden.get(line.same + line.profiler) ?? line.hidden;
    const ends = this.charts.flatMap(({ lines }) => lines.map(({ times }) => times[times.length - 1]));
    this.end = Math.max(timelines.duration_seconds ?? 0, ...ends) || 1;
    if (!this.head) this.fill();
    this.draw();
  }

  fill() {
    this.readout = make("output", { class: "muted", text: HINT });
    this.reset = make("button", { class: "btn sm", type: "button", text: "Reset range", hidden: true, onclick: () => this.select(null) });
    this.head = make("div", { class: "part-head" },
      make("h2", { text: this.getAttribute("heading") ?? "Over time" }), make("span", { class: "sp" }), this.readout, this.reset);
    this.body = make("div", { class: "chart-body" });
    this.note.replaceWith(this.head, this.body);
    for (const node of this.fallback) node.remove();
    const [from, to] = readState("range").split("-").map(Number);
    this.range = to > from ? [from, to] : null;
  }

  // -- drawing ---------------------------------------------------------------------------------------

  draw() {
    if (!this.body) return;
    this.colour = { ...colours("mem", "cpu", "io", "time", "more-1", "more-2", "limit", "bad", "panel", "fg"), ...this.greys() };
    for (const { plot } of this.charts) plot?.destroy();
    this.body.replaceChildren();
    for (const chart of this.charts) this.drawChart(chart);
    this.showRange();
  }

  greys() {
    const { "fg-muted": muted, border } = colours("fg-muted", "border");
    return { muted, border };
  }

  drawChart(chart) {
    const host = make("div", { class: "chart-host", tabindex: "0", role: "group", "aria-label": this.words(chart), onkeydown: (event) => this.press(event, chart) });
    this.body.append(make("div", { class: "chart" },
      make("div", { class: "chart-head" }, make("h3", { text: chart.title }), this.legend(chart)), host));
    const tables = chart.lines.map(({ times, values }) => [times, values]);
    chart.plot = new this.uPlot(this.options(chart), tables.length > 1 ? this.uPlot.join(tables) : tables[0], host);
  }

  options(chart) {
    const { colour } = this;
    const last = chart === this.charts[this.charts.length - 1];
    return {
      width: this.clientWidth - 24,
      height: (chart === this.charts[0] ? TALL : LOW) + (last ? 24 : 0),
      padding: [8, 14, last ? 0 : 6, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 }, sync: { key: "timelines" }, drag: { setScale: false }, bind: { dblclick: () => () => this.select(null) } },
      scales: { x: { time: false, range: () => this.range ?? [0, this.end] }, y: { range: (_, low, high) => this.height(chart, low, high) } },
      axes: [
        axis(colour, { show: last, size: 26, grid: { show: false }, space: 70, incrs: steps("seconds"), values: (_, marks) => marks.map((at) => formatMoment(at, this.span)) }),
        axis(colour, { size: 74, space: 34, ticks: { show: false }, incrs: steps(chart.unit), values: (_, marks) => marks.map((value) => tick(value, chart.unit)) }),
      ],
      series: [{}, ...chart.lines.map((line, index) => this.line(line, index === 0, ["bytes", "cores"].includes(chart.unit)))],
      hooks: {
        setSelect: [(plot) => this.dragged(plot)],
        setCursor: [(plot) => this.point(plot, chart)],
        draw: [(plot) => this.marks(plot, chart)],
      },
    };
  }

  line(line, first, filled) {
    const stroke = this.colour[line.colour];
    return {
      label: line.words, show: !line.hidden, stroke, width: first ? 2 : 1.5, spanGaps: true,
      fill: first && filled ? faded(stroke, 0.14) : undefined, points: { show: line.values.length < 3 },
    };
  }

  // The axis begins at zero, and has room for the limit where memory came near it.
  height(chart, _, high) {
    const top = this.limited(chart) ? Math.max(high ?? 0, this.timelines.limit_bytes) : high;
    return [0, (top || 1) * 1.08];
  }

  limited(chart) {
    const { limit_bytes: limit } = this.timelines;
    if (!limit || chart.title !== "Memory") return false;
    const peaks = chart.lines.filter(({ hidden }) => !hidden).map((line) => peakOf(line)?.value ?? 0);
    return Math.max(...peaks) >= NEAR * limit;
  }

  legend(chart) {
    const lines = chart.lines.map((line, index) => {
      const button = make("button", { class: "chart-line", type: "button", "aria-pressed": String(!line.hidden) },
        make("i", { class: `ink ${line.colour}` }), line.words);
      button.addEventListener("click", () => {
        line.hidden = !line.hidden;
        button.setAttribute("aria-pressed", String(!line.hidden));
        chart.plot.setSeries(index + 1, { show: !line.hidden });
      });
      return button;
    });
    const { limit_bytes: limit } = this.timelines;
    const memory = chart.title === "Memory" && limit;
    const parts = memory ? [make("span", {}, make("i", { class: "ink limit" }), `limit ${formatValue(limit, "bytes")}`)] : [];
    return make("span", { class: "leg" }, ...lines, ...parts);
  }

  marks(plot, chart) {
    const { colour, timelines } = this;
    paintOver(plot, (context, area) => {
      const x = (at) => plot.valToPos(at, "x") + area.left;
      const y = (value) => plot.valToPos(value, "y") + area.top;
      const visible = (at) => x(at) >= area.left - 1 && x(at) <= area.right + 1;
      if (this.limited(chart)) this.rule(context, [area.left, y(timelines.limit_bytes)], [area.right, y(timelines.limit_bytes)], colour.limit, [6, 4]);
      const { ended, peak } = timelines;
      if (ended && visible(ended.at)) {
        this.rule(context, [x(ended.at), area.top], [x(ended.at), area.bottom], colour.bad, [2, 3]);
        if (chart === this.charts[0]) {
          context.fillStyle = colour.bad;
          context.textAlign = "right";
          context.fillText(ended.text, x(ended.at) - 5, area.bottom - 10);
        }
      }
      if (chart !== this.charts[0] || !peak || chart.unit !== "bytes" || !visible(peak.at_seconds)) return;
      context.fillStyle = colour.limit;
      context.beginPath();
      context.arc(x(peak.at_seconds), y(peak.value), 4, 0, 7);
      context.fill();
      const text = `peak ${formatValue(peak.value, "bytes")} at ${formatMoment(peak.at_seconds, this.end)}`;
      label(context, area, text, { x: x(peak.at_seconds), y: y(peak.value) + 12, ink: colour.fg, edge: colour.limit, ground: colour.panel });
    });
  }

  rule(context, from, to, colour, dash) {
    context.strokeStyle = colour;
    context.lineWidth = 1.4;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }

  fit() {
    for (const { plot } of this.charts ?? []) {
      const width = this.clientWidth - 24;
      if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  }

  words({ title, lines, unit }) {
    const peaks = lines.map((line) => [line.words, peakOf(line)]).filter(([, peak]) => peak);
    const said = peaks.map(([name, { value, at }]) => `${name} at most ${formatValue(value, unit)} at ${formatMoment(at, this.end)}`);
    return `${title} over time: ${said.join("; ")}. Left and right move, plus and minus change the range.`;
  }

  // -- the range and the cursor ------------------------------------------------------------------------

  get span() {
    const [from, to] = this.range ?? [0, this.end];
    return to - from;
  }

  dragged(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    this.select([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }

  select(range) {
    this.range = range && [Math.max(0, range[0]), Math.min(this.end, range[1])];
    const round = (at) => String(Number(at.toPrecision(6)));
    writeState({ range: this.range ? this.range.map(round).join("-") : "" });
    this.showRange();
  }

  showRange() {
    const [min, max] = this.range ?? [0, this.end];
    for (const { plot } of this.charts) plot.setScale("x", { min, max });
    this.reset.hidden = !this.range;
    this.point(this.charts[0].plot, this.charts[0]);
  }

  point(plot) {
    const at = plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : null;
    if (at === null || Number.isNaN(at)) {
      const range = this.range?.map((each) => formatMoment(each, this.span)).join("–");
      this.readout.textContent = range ? `${range} · double-click to reset` : HINT;
      return;
    }
    const values = this.charts.flatMap((chart) => chart.lines.filter(({ hidden }) => !hidden).map((line) => {
      const value = before(line, at);
      return value == null ? null : `${line.words} ${formatValue(value, chart.unit)}`;
    }));
    this.readout.textContent = [formatMoment(at, this.span), ...values.filter(Boolean).slice(0, 4)].join("  ·  ");
  }

  press(event, { plot }) {
    const [from, to] = this.range ?? [0, this.end];
    const at = plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : (from + to) / 2;
    const span = to - from;
    const step = { ArrowLeft: -0.01, ArrowRight: 0.01 }[event.key];
    const factor = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (event.key === "Escape") this.select(null);
    else if (step) plot.setCursor({ left: plot.valToPos(Math.min(to, Math.max(from, at + step * span)), "x"), top: 10 });
    else if (factor) this.select(span * factor >= this.end ? null : [at - (at - from) * factor, at + (to - at) * factor]);
    else return;
    event.preventDefault();
  }
}

// The last value of a line at or before a moment.
function before({ times, values }, at) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low ? values[low - 1] : values[0];
}

customElements.define("pk-timelines", Timelines);
