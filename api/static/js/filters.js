// What the list is narrowed to. It lives in the address, so that it survives sign-in, reload and Back.

import { byId, el } from "./dom.js";

const FIELDS = ["q", "priority", "category", "sort"];
const PAUSE_MS = 200;
const LIMIT = "200";

const form = /** @type {Form} */ (byId("filters"));
const usual = form.dataset.usualSort; // of this view
let asking = null;

export const filter = { view: byId("desk").dataset.view, q: "", priority: "", category: "", sort: usual };

// Read the form, and call `changed` whenever the reader changes something.
export function startFilters(changed) {
  read();
  form.addEventListener("input", (event) => take(changed, event.target === form.elements.q ? PAUSE_MS : 0));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(changed, 0);
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of ["q", "priority", "category"]) form.elements[name].value = "";
    form.elements.q.focus();
    take(changed, 0);
  });
}

function read() {
  for (const name of FIELDS) filter[name] = form.elements[name].value.trim();
  byId("clear").hidden = !narrowed();
  byId("view-name").textContent = filter.q ? "Found" : byId("view-name").dataset.name;
}

function take(changed, pauseMs) {
  clearTimeout(asking);
  read();
  changeAddress(Object.fromEntries(FIELDS.map((name) => [name, filter[name]])));
  asking = setTimeout(changed, pauseMs);
}

// Change parameters of the address; null, nothing and what is usual anyway are left out.
export function changeAddress(values) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(values))
    if (value && !(name === "sort" && value === usual)) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
}

// The view that is listed: a search goes through open and closed ones.
export const listed = () => (filter.q ? "all" : filter.view);

// The parameters by which the server lists what is wanted.
export function query(page) {
  const wanted = new URLSearchParams({ view: listed(), sort: filter.sort, limit: LIMIT });
  for (const name of ["q", "priority", "category"]) if (filter[name]) wanted.set(name, filter[name]);
  if (page) wanted.set("page", page);
  return wanted;
}

export const narrowed = () => Boolean(filter.q || filter.priority || filter.category);

// Whether a card passes the filter, search aside.
/** @param {Handoff} card */
export const fits = (card) =>
  (!filter.priority || card.priority === filter.priority) &&
  (!filter.category || card.session.category === filter.category);

// Offer the categories that are there; the chosen one stays.
export function offerCategories(names) {
  const select = form.elements.category;
  const there = new Set([...select.options].map((option) => option.value));
  for (const name of [...new Set(names)].filter((name) => name && !there.has(name)).sort())
    select.append(el("option", { value: name }, name));
}
