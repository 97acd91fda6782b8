// Which cards the queue shows. The filter lives in the address, so that it survives sign-in and reload.

import { me, snapshot } from "./api.js";
import { byId, el } from "./dom.js";

const FIELDS = ["status", "priority", "category", "q"];
const PAUSE_MS = 200;

const form = /** @type {Form} */ (byId("filters"));
let found = null; // the ids that the server's search found; null: it was not asked, or has not answered yet
let asking = null;

const ALL = { status: "waiting", priority: "", category: "", q: "", mine: false };
export const filter = { ...ALL };

// Read the address, fill the form, and call `changed` whenever the reader changes something.
export function startFilters(changed) {
  const asked = new URLSearchParams(location.search);
  for (const name of FIELDS) if (asked.get(name)) filter[name] = asked.get(name);
  filter.mine = asked.get("mine") === "1";
  if (filter.category) offerCategories([filter.category]);
  fillForm(filter);
  form.addEventListener("input", () => take(changed));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    fillForm(ALL);
    take(changed);
  });
  searchAgain(changed);
}

function fillForm(values) {
  for (const name of FIELDS) form.elements[name].value = values[name];
  form.elements.mine.checked = values.mine;
  byId("clear").hidden = !narrowed();
}

function take(changed) {
  const before = filter.q;
  for (const name of FIELDS) filter[name] = form.elements[name].value.trim();
  filter.mine = form.elements.mine.checked;
  byId("clear").hidden = !narrowed();
  const query = new URLSearchParams(FIELDS.filter((name) => filter[name]).map((name) => [name, filter[name]]));
  if (filter.status === "waiting") query.delete("status");
  if (filter.mine) query.set("mine", "1");
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
  if (filter.q !== before) searchAgain(changed);
  changed();
}

// Ask the server once more, which alone knows what words match; what it found before is shown until it answers.
export function searchAgain(changed) {
  clearTimeout(asking);
  if (filter.q) asking = setTimeout(() => search(changed), PAUSE_MS);
  else found = null;
}

async function search(changed) {
  const { q } = filter;
  const answer = await snapshot({ q }).catch(() => null);
  if (!answer || q !== filter.q) return;
  found = new Set(answer.items.map((item) => item.id));
  changed();
}

export const narrowed = () =>
  filter.status !== "waiting" || filter.mine || ["priority", "category", "q"].some((name) => filter[name]);

// Whether a card belongs on the page as it is filtered now.
/** @param {Handoff} card */
export function wanted(card) {
  return (
    ofStatus(card) &&
    (!filter.priority || card.priority === filter.priority) &&
    (!filter.category || card.session.category === filter.category) &&
    (!filter.mine || isMine(card)) &&
    (!found || found.has(card.id))
  );
}

function ofStatus(card) {
  const waiting = card.status === "pending" || card.status === "ready";
  const mineToo = filter.mine && card.status === "claimed" && filter.status === "waiting";
  if (filter.status === "waiting") return waiting || mineToo;
  if (filter.status === "open") return waiting || card.status === "claimed";
  return card.status === filter.status;
}

const isMine = (card) => card.claimed_by?.id === me.id || card.target?.id === me.id;

// Offer the categories that are there; the chosen one stays.
export function offerCategories(names) {
  const select = form.elements.category;
  const there = new Set([...select.options].map((option) => option.value));
  for (const name of [...new Set(names)].filter((name) => name && !there.has(name)).sort())
    select.append(el("option", { value: name }, name));
}
