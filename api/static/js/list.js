// The rows of the list, each in its place. Nothing moves while somebody points at them, is among them with the
// keyboard, or scrolls: what came meanwhile is counted on a button, and taken in by it or when the list is at rest.

import { adopt, makeCard } from "./card.js";
import { byId, calm, say } from "./dom.js";
import { plural } from "./words.js";

const LEAVE_MS = 4000; // long enough to read who took it
const REST_MS = 400; // after scrolling and after a touch
const CHECK_MS = 250;

const region = byId("list");
const list = byId("rows");
const pill = byId("pill");

/** @type {Map<string, any>} */
export const rows = new Map(); // id → row, on the page or waiting to be taken in
let order = (_one, _other) => 0;
let complete = true; // the server has no rows after the last one
let touchedAt = -REST_MS;
let onChange = () => {};

/** Take over what the server has shown. */
export function startList(options) {
  ({ order, onChange } = options);
  complete = !options.more;
  const facts = JSON.parse(byId("facts").textContent);
  for (const [at, node] of [...list.children].entries()) {
    const made = adopt(/** @type {HTMLElement} */ (node), facts[at]);
    rows.set(made.card.id, made);
  }
  for (const name of ["scroll", "touchmove", "touchend"])
    addEventListener(name, () => (touchedAt = performance.now()), { passive: true });
  pill.addEventListener("click", takeIn);
  setInterval(settle, CHECK_MS);
}

export function reorder(next) {
  order = next;
}

// Whether the server has rows after those that are here.
export function mayGoOn(more) {
  complete = !more;
  draw();
}

const isTouch = () => !matchMedia("(hover: hover)").matches;

// Whether rows may move: nobody is at them.
function atRest() {
  if (list.contains(document.activeElement) || document.activeElement === pill) return false;
  if (performance.now() - touchedAt < REST_MS) return false;
  return isTouch() || !region.matches(":hover");
}

const isShown = (made) => made.node.isConnected;
const hasGone = (made) => made.leftAt !== null;

// A handoff that has come into the view. False: it stands further down than the page has read.
/** @param {Handoff} card */
export function enter(card, unread) {
  const last = rows.get(/** @type {HTMLElement} */ (list.lastElementChild)?.dataset.id);
  if (!complete && last && order(card, last.card) > 0) return false;
  const made = makeCard(card);
  made.unread(unread);
  rows.set(card.id, made);
  settle();
  draw();
  return true;
}

/** @param {Handoff} card */
export function update(made, card) {
  const moves = isShown(made) && order(made.card, card) !== 0;
  made.show(card);
  made.misplaced ||= moves;
  if (hasGone(made)) made.stay();
}

// A handoff that has left the view; its row says where it went until it goes.
export function leave(made, note) {
  if (isShown(made)) made.leave(note);
  else rows.delete(made.card.id);
  draw();
}

// Show these rows and no others, at once: somebody has asked for them. Those that are there already are not touched.
/** @param {Handoff[]} cards */
export function replace(cards, more) {
  const wanted = new Set(cards.map((card) => card.id));
  for (const [id, made] of rows) if (!wanted.has(id) || hasGone(made)) remove(made);
  let at = list.firstElementChild;
  for (const card of cards) {
    const made = rows.get(card.id) ?? makeCard(card);
    rows.set(card.id, made);
    made.show(card);
    made.unread(card.unread);
    made.misplaced = false;
    if (made.node === at) at = at.nextElementSibling;
    else list.insertBefore(made.node, at);
  }
  complete = !more;
  draw();
}

function remove(made) {
  rows.delete(made.card.id);
  made.node.remove();
}

/** @param {Handoff[]} cards */
export function append(cards, more) {
  complete = !more;
  const made = cards.filter((card) => !rows.has(card.id)).map(makeCard);
  for (const each of made) rows.set(each.card.id, each);
  list.append(...made.map((each) => each.node));
  draw();
}

function settle() {
  if (pending() && atRest()) arrange();
}

const pending = () => [...rows.values()].some((made) => !isShown(made) || made.misplaced || isOver(made));
const isOver = (made) => hasGone(made) && performance.now() - made.leftAt > LEAVE_MS;

// Everything goes where it belongs.
function arrange() {
  const all = [...rows.values()];
  for (const made of all.filter(isOver)) fadeOut(made);
  for (const made of all) if (made.misplaced) made.node.remove();
  const fresh = all.filter((made) => !isShown(made) && !hasGone(made));
  for (const made of fresh.sort((one, other) => order(one.card, other.card))) insert(made);
  draw();
  return fresh.filter((made) => !made.misplaced);
}

function insert(made) {
  const after = [...list.children].find((node) => {
    const other = rows.get(/** @type {HTMLElement} */ (node).dataset.id);
    return other && !other.fading && order(made.card, other.card) < 0;
  });
  list.insertBefore(made.node, after ?? null);
  if (!made.misplaced) arrive(made.node);
  made.misplaced = false;
}

function arrive(node) {
  node.classList.add("arriving");
  node.addEventListener("animationend", () => node.classList.remove("arriving"), { once: true });
}

async function fadeOut(made) {
  rows.delete(made.card.id);
  made.fading = true;
  if (!calm()) await made.node.animate({ opacity: [1, 0] }, 150).finished.catch(() => null);
  const hadFocus = made.node.contains(document.activeElement);
  const next = made.node.nextElementSibling ?? made.node.previousElementSibling;
  made.node.remove();
  if (hadFocus) (next?.querySelector(".title") ?? byId("heading")).focus();
  draw();
}

function takeIn() {
  const fresh = arrange();
  const first = fresh[0]?.node ?? list.querySelector(".card");
  first?.querySelector(".title").focus();
}

function draw() {
  const fresh = [...rows.values()].filter((made) => !isShown(made) && !hasGone(made));
  const urgent = fresh.filter((made) => made.card.priority === "urgent").length;
  pill.hidden = fresh.length === 0;
  pill.classList.toggle("urgent", urgent > 0);
  if (fresh.length) say(pill, `${fresh.length} new${urgent ? ` · ${urgent} urgent` : ""}`);
  onChange();
}

// How many rows there are, and whether the server has more.
export function extent() {
  const count = [...rows.values()].filter((made) => isShown(made) && !hasGone(made)).length;
  return { count, complete, text: `${count}${complete ? "" : "+"}`, label: plural(count, "handoff") };
}
