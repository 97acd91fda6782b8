// Single keys for the queue: j and k walk, Enter opens (it is a link), c claims, / searches, ? helps.
// They can be turned off, because speech input and switch devices press keys by accident.

import { byId } from "./dom.js";

const OFF = "keys-off";

export function startKeys({ claim }) {
  const help = /** @type {HTMLDialogElement} */ (byId("help"));
  const on = /** @type {HTMLInputElement} */ (byId("keys-on"));
  on.checked = localStorage.getItem(OFF) === null;
  on.addEventListener("change", () => (on.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  byId("help-button").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (!on.checked || help.open || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const acts = {
      j: () => walk(1),
      k: () => walk(-1),
      c: () => claim(current()),
      "/": search,
      "?": () => help.showModal(),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const typing = (node) => node.closest("input:not([type=checkbox]), textarea, select") !== null;
const links = () => [...document.querySelectorAll(".card:not(.leaving) .title")];
const current = () => document.activeElement?.closest(".card")?.dataset.id ?? null;

function walk(by) {
  const all = links();
  const at = all.findIndex((link) => link.closest(".card").dataset.id === current());
  const next = all[at === -1 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.closest(".card").scrollIntoView({ block: "nearest" });
}

function search() {
  const field = /** @type {HTMLInputElement} */ (byId("f-q"));
  field.focus();
  field.select();
}
