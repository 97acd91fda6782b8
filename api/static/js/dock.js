// The bar and the form for steps stay in sight; how high they are, the page has to know, so that neither ever covers
// what has the focus. And the forms of the bar: one is open at a time.

import { byId } from "./dom.js";

const PLACES = [
  ["start", "--bar"],
  ["add", "--dock"],
];

// Keep the page informed of their heights.
export function startDock() {
  const watch = new ResizeObserver(measure);
  for (const [id] of PLACES) if (byId(id)) watch.observe(byId(id));
  measure();
}

function measure() {
  for (const [id, name] of PLACES) {
    const height = byId(id)?.getBoundingClientRect().height ?? 0;
    document.documentElement.style.setProperty(name, `${Math.ceil(height)}px`);
  }
}

// Open a form of the bar and go to its first field; once more closes it.
export function toggle(opener) {
  const panel = byId(opener.dataset.opens);
  const open = panel.hidden;
  closePanels();
  if (!open) return;
  panel.hidden = false;
  opener.setAttribute("aria-expanded", "true");
  suggestTime(panel.querySelector('[type="datetime-local"]'));
  panel.querySelector("textarea, select, input, button").focus();
}

// Tomorrow morning, which is when most of those who are waited for are back.
function suggestTime(field) {
  if (!field || field.value) return;
  const now = new Date();
  const morning = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, 9);
  field.value = new Date(morning.getTime() - morning.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

// Close what is open. What was written in it stays; the focus goes back to the button that opened it.
export function closePanels() {
  for (const panel of document.querySelectorAll(".panel-form:not([hidden])")) {
    const opener = document.querySelector(`[data-opens="${panel.id}"]`);
    if (panel.contains(document.activeElement)) opener?.focus();
    panel.hidden = true;
    opener?.setAttribute("aria-expanded", "false");
  }
}

// What the server renders is closed; what the reader has opened is opened again.
export function openPanels() {
  return [...document.querySelectorAll(".panel-form:not([hidden])")].map((panel) => panel.id);
}
