// Start what a page needs: the small behaviours everywhere, the large parts where the page has them.
import "./copy.js";
import "./host.js";
import "./keys.js";
import "./refresh.js";
import "./select.js";
import "./times.js";

const PARTS = {
  "pk-flamegraph": "./flamegraph/element.js",
  "pk-timelines": "./timelines.js",
  "pk-trend": "./trend.js",
  "pk-render": "./render.js",
};

for (const [name, module] of Object.entries(PARTS)) {
  if (document.querySelector(name)) import(module);
}
