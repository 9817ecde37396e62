// Build the parts of a flame graph's page element: header, canvas and its marks, the line of details.

import { KINDS, KIND_WORDS } from "./colours.js";

// Make an element: attributes by name, `text` its content, `on…` its listeners, then its children.
export function make(name, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

// Buttons of which one is pressed. `choices` are [value, words, title].
export function segment(label, choices, onchoose) {
  const buttons = choices.map(([value, text, title]) =>
    make("button", { type: "button", text, title, value, onclick: () => onchoose(value) }));
  const element = make("div", { class: "seg", role: "group", "aria-label": label }, ...buttons);
  const set = (value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === value));
  };
  return { element, set };
}

export function legend() {
  const kinds = KINDS.map((kind, index) => sign(kind, KIND_WORDS[index]));
  const owners = make("span", { class: "leg" }, ...kinds);
  const changes = make(
    "span", { class: "leg", hidden: true },
    sign("up", "▲ more in B"), sign("same", "same"), sign("down", "▼ less in B"),
    make("span", { text: "width = the larger of A and B" }),
  );
  return { owners, changes };
}

function sign(kind, text) {
  return make("span", {}, make("i", { class: `sw ${kind}` }), text);
}

export function stage() {
  const canvas = make("canvas", {
    tabindex: "0", role: "application", "aria-roledescription": "flame graph",
  });
  const marks = {
    hovered: make("div", { class: "flame-mark", hidden: true }),
    focused: make("div", { class: "flame-mark flame-focus", hidden: true }),
  };
  const sheet = make("div", { class: "flame-sheet" }, canvas, ...Object.values(marks));
  const scroller = make("div", { class: "flame-scroll" }, sheet);
  const tip = make("div", { class: "flame-tip", hidden: true, "aria-hidden": "true" });
  return { canvas, marks, sheet, scroller, tip };
}
