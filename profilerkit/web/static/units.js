// Write numbers with their units for people, as the command line does.

const METRICS = { cpu: "CPU time", wall: "wall time", heap_at_peak: "heap at its peak" };
const SIZES = ["KiB", "MiB", "GiB", "TiB"];
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function formatValue(value, unit) {
  if (value == null || !Number.isFinite(value)) return "unknown";
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (unit === "bytes") return sign + bytes(size);
  if (unit === "seconds") return sign + seconds(size);
  if (unit === "count" || unit === "") return sign + count(size);
  return `${sign}${count(size)} ${unit}`;
}

export function metricWords(name) {
  return METRICS[name] ?? name.replaceAll("_", " ");
}

export function formatShare(value, of) {
  return of > 0 && Number.isFinite(value) ? `${((100 * value) / of).toFixed(1)}%` : "–";
}

// "+184%", or "new" and "gone" where a side has nothing.
export function formatChange(before, after) {
  if (before === after) return "same";
  if (!before) return "new";
  if (!after) return "gone";
  const percent = (100 * (after - before)) / before;
  return `${percent < 0 ? "−" : "+"}${whole.format(Math.abs(percent))}%`;
}

// A moment of a recording: 3:12, 1:03:12; with tenths where the range is short.
export function formatMoment(at, range = Infinity) {
  const digits = range < 2 ? 2 : range < 20 ? 1 : 0;
  const tidy = Number(at.toFixed(digits));
  const rest = (tidy % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  const minutes = Math.floor(tidy / 60);
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function bytes(size) {
  if (size < 1023.5) return `${Math.round(size)} B`;
  let rest = size;
  for (const unit of SIZES) {
    rest /= 1024;
    if (rest < 1023.95) return `${rest.toFixed(1)} ${unit}`;
  }
  return `${Number((rest / 1024).toPrecision(4))} PiB`;
}

function seconds(size) {
  if (size === 0) return "0 s";
  if (size < 0.9995e-3) return `${Number((size * 1e6).toPrecision(3))} µs`;
  if (size < 0.9995) return `${Number((size * 1e3).toPrecision(3))} ms`;
  if (size < 59.95) return `${Number(size.toPrecision(3))} s`;
  const minutes = Math.floor(Math.round(size) / 60);
  if (size < 3599.5) return `${minutes} min ${String(Math.round(size) % 60).padStart(2, "0")} s`;
  const inMinutes = Math.round(size / 60);
  return `${whole.format(Math.floor(inMinutes / 60))} h ${String(inMinutes % 60).padStart(2, "0")} min`;
}

function count(size) {
  if (size >= 1e15) return size.toPrecision(4);
  return Number.isInteger(size) ? whole.format(size) : String(Number(size.toPrecision(4)));
}
