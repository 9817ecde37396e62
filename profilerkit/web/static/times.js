// Show times in the reader's zone: <time datetime="…Z" data-time="ago|short|full">.
//   ago    1 day ago, with the exact time as its title
//   short  21 Nov 03:04:11 +01:00, with the year when it is not this one
//   full   21 Nov 2026 03:04:11 +01:00 (1 day ago)
// A host may name the zone its own pages use in <html data-timezone="Europe/Berlin">.

const MINUTE = 60;
const STEPS = [[1, "s"], [MINUTE, "min"], [60 * MINUTE, "h"], [24 * 60 * MINUTE, "day"]];
const zone = usable(chosenInAirflow()) ?? usable(document.documentElement.dataset.timezone);

const format = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone, year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "longOffset",
});

// The zone that the reader chose in Airflow, whose origin is ours there: 3 keeps JSON, 2 the bare name.
function chosenInAirflow() {
  if (document.documentElement.dataset.themeSource !== "airflow") return undefined;
  try {
    const three = localStorage.getItem("timezone");
    return three === null ? (localStorage.getItem("selected-timezone") ?? undefined) : JSON.parse(three);
  } catch {
    return undefined;
  }
}

function usable(name) {
  try {
    return name && new Intl.DateTimeFormat("en", { timeZone: name }) ? name : undefined;
  } catch {
    return undefined;
  }
}

// "21 Nov 2026 03:04:11 +01:00", without the year if that is the present one and `brief`.
export function written(date, { brief = false } = {}) {
  const part = Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, value]));
  const thisYear = format.formatToParts(new Date()).find(({ type }) => type === "year").value;
  const offset = part.timeZoneName.replace("GMT", "").replace("−", "-") || "+00:00";
  const year = brief && part.year === thisYear ? "" : ` ${part.year}`;
  return `${part.day} ${part.month.slice(0, 3)}${year} ${part.hour}:${part.minute}:${part.second} ${offset}`;
}

// A mark of a time axis whose marks are `step` seconds apart: "21 Nov", or with the hour when they are close.
export function day(seconds, step) {
  const at = new Date(seconds * 1000);
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const date = `${part.day} ${part.month.slice(0, 3)}`;
  if (step >= 86400) return date;
  return step < 60 ? `${part.hour}:${part.minute}:${part.second}` : `${date} ${part.hour}:${part.minute}`;
}

export function ago(date, now = Date.now()) {
  const seconds = Math.round((now - date) / 1000);
  if (seconds < -1) return `in ${span(-seconds)}`;
  return seconds < 5 ? "now" : `${span(seconds)} ago`;
}

function span(seconds) {
  const [size, unit] = STEPS.findLast(([step]) => seconds >= step) ?? STEPS[0];
  const count = Math.floor(seconds / size);
  return unit === "day" && count !== 1 ? `${count} days` : `${count} ${unit}`;
}

function show(element) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.valueOf())) return;
  const kind = element.dataset.time;
  if (kind === "ago") {
    element.title = written(date);
    element.textContent = ago(date);
  } else if (kind === "short") {
    element.textContent = written(date, { brief: true });
  } else {
    element.textContent = `${written(date)} (${ago(date)})`;
  }
}

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time]")) show(element);
}

showTimes();
setInterval(showTimes, 30_000);
window.addEventListener("pk:refresh", () => showTimes());
