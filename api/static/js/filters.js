// Which cards the queue shows. The filter lives in the address, so that it survives sign-in and reload.

import { get, me } from "./api.js";
import { byId, el } from "./dom.js";

const FIELDS = ["status", "priority", "category", "q"];
const PAUSE_MS = 200;

const form = byId("filters");
let found = new Set(); // what the server's full-text search knows beyond the texts of the card
let typing = null;

export const filter = { status: "waiting", priority: "", category: "", q: "", mine: false };

// Read the address, fill the form, and call `changed` whenever the reader changes something.
export function startFilters(changed) {
  const asked = new URLSearchParams(location.search);
  for (const name of FIELDS) if (asked.get(name)) filter[name] = asked.get(name);
  filter.mine = asked.get("mine") === "1";
  if (filter.category) offerCategories([filter.category]);
  fillForm();
  form.addEventListener("input", () => take(changed));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    Object.assign(filter, { status: "waiting", priority: "", category: "", q: "", mine: false });
    fillForm();
    take(changed);
  });
  if (filter.q) search(changed);
}

function fillForm() {
  for (const name of FIELDS) form.elements[name].value = filter[name];
  form.elements.mine.checked = filter.mine;
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
  if (filter.q !== before) {
    found = new Set();
    clearTimeout(typing);
    typing = setTimeout(() => search(changed), PAUSE_MS);
  }
  changed();
}

// Steps are not on the cards, so the server looks through them.
async function search(changed) {
  const { q } = filter;
  if (!q) return;
  const answer = await get(`/queue?limit=200&q=${encodeURIComponent(q)}`).catch(() => null);
  if (!answer || q !== filter.q) return;
  found = new Set(answer.items.map((item) => item.id));
  changed();
}

export const narrowed = () =>
  filter.status !== "waiting" || filter.mine || ["priority", "category", "q"].some((name) => filter[name]);

// Whether a card belongs on the page as it is filtered now.
export function wanted(card) {
  return ofStatus(card) && (!filter.priority || card.priority === filter.priority)
    && (!filter.category || card.session.category === filter.category)
    && (!filter.mine || isMine(card)) && (!filter.q || found.has(card.id) || mentions(card, filter.q));
}

function ofStatus(card) {
  const waiting = card.status === "pending" || card.status === "ready";
  const mineToo = filter.mine && card.status === "claimed" && filter.status === "waiting";
  if (filter.status === "waiting") return waiting || mineToo;
  if (filter.status === "open") return waiting || card.status === "claimed";
  return card.status === filter.status;
}

const isMine = (card) => card.claimed_by?.id === me.id || card.target?.id === me.id;

function mentions(card, text) {
  const { session } = card;
  const texts = [session.title, session.external_id, session.client, session.asset, session.problem, card.reason, card.ask,
    card.handed_off_by.name, card.assessment?.summary];
  return texts.filter(Boolean).join("\n").toLowerCase().includes(text.toLowerCase());
}

// Offer the categories that are there; the chosen one stays.
export function offerCategories(names) {
  const select = form.elements.category;
  const there = new Set([...select.options].map((option) => option.value));
  for (const name of [...new Set(names)].filter((name) => name && !there.has(name)).sort())
    select.append(el("option", { value: name }, name));
}
