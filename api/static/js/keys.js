// Single keys, on every page: those that a page gives a meaning to, those of controls with `aria-keyshortcuts`, and
// / ? g q everywhere. Ctrl+Enter sends what is being written. Single keys can be turned off, because speech input and
// switch devices press them by accident.

import { byId } from "./dom.js";

const OFF = "keys-off";
const GO_MS = 1500; // after g

const help = /** @type {HTMLDialogElement} */ (byId("help"));
const on = /** @type {HTMLInputElement} */ (byId("keys-on"));
const acts = new Map();
let goes = -GO_MS; // when g was pressed

// Give a key its meaning on this page.
export function onKey(key, act) {
  acts.set(key, act);
}

onKey("?", () => help.showModal());
onKey("/", search);

// Begin to listen; once on each page.
export function startKeys() {
  on.checked = localStorage.getItem(OFF) === null;
  on.addEventListener("change", () => (on.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  byId("help-button").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", pressed);
  // Another page has sent the reader here with what they want to do.
  const key = location.hash.match(/^#key-(\w)$/)?.[1];
  const control = key && controlOf(key);
  if (control) press(control);
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const target = /** @type {Element} */ (event.target);
  if (event.defaultPrevented) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return send(event, target);
  if (!on.checked || help.open || typing(target)) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = actOf(event.key);
  if (!act) return;
  event.preventDefault();
  act();
}

function actOf(key) {
  const goesTo = performance.now() - goes < GO_MS ? { q: "/queue" }[key] : null;
  goes = key === "g" ? performance.now() : -GO_MS;
  if (goesTo) return () => location.assign(goesTo);
  const control = controlOf(key);
  return acts.get(key) ?? (control && (() => press(control)));
}

const controlOf = (key) =>
  [...document.querySelectorAll(`[aria-keyshortcuts~="${CSS.escape(key)}"]`)].find((node) => node.checkVisibility());

// A control that folds something out is led to, others are pressed.
function press(control) {
  control.focus();
  control.click();
}

const typing = (node) => node.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;

function send(event, target) {
  const form = target.closest("form");
  if (!form || !target.closest("textarea, input, select")) return;
  event.preventDefault();
  form.requestSubmit();
}

function search() {
  const field = /** @type {HTMLInputElement} */ (byId("f-q"));
  if (!field) return location.assign("/queue");
  field.focus();
  field.select();
}
