// <pk-trend src="URL" [heading]>: one subject's runs over time: peak memory, CPU time, duration.
// Marked: runs that were killed or failed, outliers, and where versions changed. A click opens the run.

import { axis, colours, loadUPlot, paintOver, steps, tick } from "./charts.js";
import { loadText } from "./data.js";
import { make } from "./flamegraph/controls.js";
import { day, written } from "./times.js";
import { formatValue } from "./units.js";

const MEASURES = [
  { key: "peak_rss_bytes", title: "Peak memory", unit: "bytes", colour: "mem" },
  { key: "cpu_seconds", title: "CPU time", unit: "seconds", colour: "cpu" },
  { key: "duration_seconds", title: "Duration", unit: "seconds", colour: "time" },
];
const BAD = new Set(["killed", "failed", "timeout"]);
const HINT = "click a run to open it";

class Trend extends HTMLElement {
  async connectedCallback() {
    if (this.note) return;
    this.fallback = [...this.childNodes];
    this.note = make("div", { class: "part-wait", role: "status", text: "Loading the runs…" });
    this.prepend(this.note);
    window.addEventListener("pk:theme", () => this.draw());
    new ResizeObserver(() => this.fit()).observe(this);
    try {
      const [uPlot, text] = await Promise.all([loadUPlot(), loadText(this.getAttribute("src"))]);
      this.uPlot = uPlot;
      this.take(JSON.parse(text));
    } catch (error) {
      this.say(error.message, true);
    }
  }

  say(text, bad = false) {
    this.note.className = bad ? "part-note bad" : "part-note";
    this.note.textContent = text;
  }

  take({ points }) {
    this.points = [...points].sort((a, b) => a.started_at.localeCompare(b.started_at));
    this.measures = MEASURES.filter(({ key }) => this.points.some((point) => point[key] != null));
    if (!this.measures.length) {
      this.say("None of these runs has a measured value.");
      return;
    }
    this.times = this.points.map((point) => Date.parse(point.started_at) / 1000);
    this.readout = make("output", { class: "muted", text: HINT });
    const signs = [["bad", "killed or failed"], ["odd", "outlier"], ["versions", "versions changed"]];
    this.head = make("div", { class: "part-head" },
      make("h2", { text: this.getAttribute("heading") ?? "Runs" }),
      make("span", { class: "leg" }, ...signs.map(([kind, text]) => make("span", {}, make("i", { class: `sign ${kind}` }), text))),
      make("span", { class: "sp" }), this.readout);
    this.body = make("div", { class: "chart-body" });
    this.note.replaceWith(this.head, this.body);
    for (const node of this.fallback) node.remove();
    this.draw();
  }

  draw() {
    if (!this.body) return;
    const { "fg-muted": muted, ...rest } = colours("mem", "cpu", "time", "limit", "bad", "panel", "border", "fg-muted");
    this.colour = { ...rest, muted };
    for (const plot of this.plots ?? []) plot.destroy();
    this.body.replaceChildren();
    this.plots = this.measures.map((measure) => this.drawMeasure(measure));
  }

  drawMeasure(measure) {
    const host = make("div", {
      class: "chart-host", tabindex: "0", role: "group", "aria-label": this.words(measure),
      onkeydown: (event) => this.press(event), onclick: () => this.open(),
    });
    this.body.append(make("div", { class: "chart" }, make("div", { class: "chart-head" }, make("h3", { text: measure.title })), host));
    const values = this.points.map((point) => point[measure.key] ?? null);
    return new this.uPlot(this.options(measure), [this.times, values], host);
  }

  options(measure) {
    const { colour } = this;
    const last = measure === this.measures[this.measures.length - 1];
    const stroke = colour[measure.colour];
    return {
      width: this.clientWidth - 24,
      height: 140 + (last ? 24 : 0),
      padding: [10, 16, last ? 0 : 6, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: "trend" }, drag: { x: false }, points: { size: 11, fill: stroke } },
      scales: { x: { range: (_, low, high) => this.spread(low, high) }, y: { range: (_, low, high) => [0, (high || 1) * 1.12] } },
      axes: [
        axis(colour, { show: last, size: 26, space: 80, grid: { show: false }, values: (_, marks, __, ___, step) => marks.map((at) => day(at, step)) }),
        axis(colour, { size: 80, space: 34, ticks: { show: false }, incrs: steps(measure.unit), values: (_, marks) => marks.map((value) => tick(value, measure.unit)) }),
      ],
      series: [{}, { label: measure.title, stroke, width: 1.6, spanGaps: true, points: { show: true, size: 6, fill: stroke } }],
      hooks: { setCursor: [(plot) => this.point(plot)], draw: [(plot) => this.marks(plot, measure)], drawClear: [(plot) => this.versions(plot)] },
    };
  }

  // A single run stands in the middle; others have some room at the ends.
  spread(low, high) {
    const room = Math.max(30, (high - low) * 0.02);
    return [low - room, high + room];
  }

  versions(plot) {
    paintOver(plot, (context, area) => {
      context.strokeStyle = this.colour.muted;
      context.setLineDash([3, 3]);
      this.points.forEach((point, index) => {
        if (!point.versions_changed) return;
        const x = Math.round(plot.valToPos(this.times[index], "x") + area.left) + 0.5;
        context.beginPath();
        context.moveTo(x, area.top);
        context.lineTo(x, area.bottom);
        context.stroke();
      });
    });
  }

  marks(plot, { key }) {
    paintOver(plot, (context, area) => {
      context.lineWidth = 2;
      this.points.forEach((point, index) => {
        if (point[key] == null) return;
        const x = plot.valToPos(this.times[index], "x") + area.left;
        const y = plot.valToPos(point[key], "y") + area.top;
        if (point.outlier) this.ring(context, x, y);
        if (BAD.has(point.outcome) || point.status === "interrupted") this.cross(context, x, y);
      });
    });
  }

  ring(context, x, y) {
    context.strokeStyle = this.colour.limit;
    context.beginPath();
    context.arc(x, y, 7, 0, 7);
    context.stroke();
  }

  cross(context, x, y) {
    context.fillStyle = this.colour.panel;
    context.beginPath();
    context.arc(x, y, 4.5, 0, 7);
    context.fill();
    context.strokeStyle = this.colour.bad;
    context.beginPath();
    for (const [dx, dy] of [[-4, -4], [-4, 4]]) {
      context.moveTo(x + dx, y + dy);
      context.lineTo(x - dx, y - dy);
    }
    context.stroke();
  }

  fit() {
    const width = this.clientWidth - 24;
    for (const plot of this.plots ?? []) if (width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
  }

  // -- one run ---------------------------------------------------------------------------------------

  words({ key, title, unit }) {
    const values = this.points.map((point) => point[key]).filter((value) => value != null);
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => formatValue(value, unit));
    return `${title} of ${values.length} runs, from ${low} to ${high}; the table below has each. Left and right choose a run, Enter opens it.`;
  }

  point(plot) {
    const chosen = plot.cursor.left >= 0 ? plot.cursor.idx : null;
    this.chosen = chosen == null ? null : this.points[chosen];
    this.body.classList.toggle("chart-open", this.chosen !== null);
    if (!this.chosen) {
      this.readout.textContent = HINT;
      return;
    }
    const values = this.measures.filter(({ key }) => this.chosen[key] != null)
      .map(({ key, unit, title }) => `${title.toLowerCase()} ${formatValue(this.chosen[key], unit)}`);
    const state = this.chosen.outcome ?? this.chosen.status;
    this.readout.textContent = [written(new Date(this.chosen.started_at)), state, ...values].join("  ·  ");
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Enter") this.open();
    else if (step) {
      const now = this.chosen ? this.points.indexOf(this.chosen) : this.points.length - (step < 0 ? 0 : 1);
      const next = Math.min(this.points.length - 1, Math.max(0, now + step));
      const [plot] = this.plots;
      plot.setCursor({ left: plot.valToPos(this.times[next], "x"), top: 10 });
    } else return;
    event.preventDefault();
  }

  open() {
    if (!this.chosen) return;
    const { base = "" } = document.documentElement.dataset;
    location.href = `${base}/recordings/${encodeURIComponent(this.chosen.id)}`;
  }
}

customElements.define("pk-trend", Trend);
