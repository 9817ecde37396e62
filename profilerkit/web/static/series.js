// Sort the timelines of a recording into charts: one for each unit, memory first, its lines named apart.

const MEMORY = "Memory";
const CPU = "CPU, in cores";
const TITLES = { bytes: MEMORY, cores: CPU, count: "Counts", seconds: "Seconds" };
const ORDER = [MEMORY, CPU, "Input and output", "Counts"];
const OTHERS_TOO = new Set(["container"]); // what other processes use as well: hidden until asked for
const ADDED_UP = new Set(["read", "written"]); // bytes that passed, not bytes that are held
const WORDS = { rss: "RSS", pss: "PSS", heap: "heap", cpu: "CPU" };
const COLOURS = {
  [MEMORY]: ["mem", "cpu", "io", "more-1", "more-2", "time"],
  [CPU]: ["cpu", "mem", "io", "more-1", "more-2", "time"],
};
const MORE = ["io", "time", "more-1", "mem", "cpu", "more-2"];

function titleOf({ name, unit }) {
  if (unit === "bytes" && ADDED_UP.has(name)) return "Input and output";
  return TITLES[unit] ?? unit ?? "Numbers";
}

// The charts of `timelines` (see the JSON API): title, unit, and lines with name, colour, times, values.
// A line that another profiler has too is hidden at first, and so is what is not the program's alone.
export function chartsOf(timelines) {
  const charts = new Map();
  const seen = new Map();
  for (const line of timelines.series) {
    if (!line.times_seconds.length) continue;
    const title = titleOf(line);
    if (!charts.has(title)) charts.set(title, { title, unit: line.unit, lines: [] });
    const same = `${line.name}\0${line.unit}`;
    seen.set(same, (seen.get(same) ?? 0) + 1);
    charts.get(title).lines.push({
      ...line, same, hidden: false, times: line.times_seconds, words: WORDS[line.name] ?? line.name,
    });
  }
  const all = [...charts.values()].sort((a, b) => place(a.title) - place(b.title));
  for (const chart of all) finish(chart, seen);
  return all;
}

function place(title) {
  const index = ORDER.indexOf(title);
  return index < 0 ? ORDER.length : index;
}

function finish(chart, seen) {
  const shown = new Set();
  chart.lines.sort((a, b) => rank(a) - rank(b));
  const palette = COLOURS[chart.title] ?? MORE;
  for (const line of chart.lines) {
    line.hidden = shown.has(line.same) || OTHERS_TOO.has(line.name);
    shown.add(line.same);
    if (seen.get(line.same) > 1) line.words += ` (${line.profiler})`;
  }
  chart.lines.sort((a, b) => Number(a.hidden) - Number(b.hidden));
  chart.lines.forEach((line, index) => { line.colour = palette[index % palette.length]; });
}

// The numbers of the process tree first: they are taken from outside, for every recording.
function rank({ profiler, name }) {
  return (profiler === "resources" ? 0 : 2) + (name === "rss" || name === "cpu" ? 0 : 1);
}

// The highest value of a line and when it was.
export function peakOf(line) {
  let best = -1;
  for (let index = 0; index < line.values.length; index++) {
    if (line.values[index] != null && (best < 0 || line.values[index] > line.values[best])) best = index;
  }
  return best < 0 ? null : { value: line.values[best], at: line.times[best] };
}
