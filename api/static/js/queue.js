// The live queue: the rows that the server has shown, then the feed from where it stood when they were read.

import { announce, arrived } from "./announce.js";
import { get, mayWrite, me } from "./api.js";
import { claim } from "./claim.js";
import { showConnection } from "./connection.js";
import { byId, el, say } from "./dom.js";
import { follow } from "./feed.js";
import { changeAddress, filter, fits, listed, narrowed, offerCategories, query, startFilters } from "./filters.js";
import { flash, showFlash } from "./flash.js";
import { onKey } from "./keys.js";
import { append, enter, extent, leave, mayGoOn, reorder, replace, rows, startList, update } from "./list.js";
import { closePane, isOpen, isWide, openPane, paneChanged } from "./pane.js";
import { onRead } from "./read.js";
import { sending } from "./sending.js";
import { HOLDS, orderOf } from "./views.js";
import { STATUS } from "./words.js";

const TICK_MS = 10000;
const AGAIN_MS = 500;
const PLACE = "queue-place"; // the row that was left for another page

const list = byId("rows");
const desk = byId("desk");
let cursor = desk.dataset.cursor; // of the rows in the page; used once
let next = byId("more").dataset.next ?? null; // where the server's list goes on
let asked = 0; // so that only the last answer counts
let again = null;

// The rows are there already, the first time; after a gap they are read again.
async function load() {
  const first = cursor;
  cursor = null;
  if (first) return first;
  const { cursor: from } = await get("/feed?cursor=now");
  await refresh();
  return from;
}

const order = () => orderOf(listed(), filter.sort);
const page = (token = null) => get(`/handoffs?${query(token)}`);

// Read the list again, as far as it is shown; what is new to it comes in as news does.
async function refresh() {
  const there = new Map();
  let token = null;
  do {
    const answer = await page(token);
    for (const card of answer.items) there.set(card.id, card);
    token = answer.next_page;
  } while (token && there.size < rows.size);
  next = token;
  for (const made of [...rows.values()])
    if (!there.has(made.card.id) && made.leftAt === null) leave(made, whereTo(made.card));
  for (const card of there.values()) take(card, card.unread, true);
  mayGoOn(next !== null);
}

// Show what the filter asks for, at once.
async function show() {
  const mine = ++asked;
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await page();
    if (mine !== asked) return;
    next = answer.next_page;
    reorder(order());
    replace(answer.items, next !== null);
    announce(extent().count ? extent().label : "Nothing found.");
  } catch (problem) {
    if (mine === asked) flash(problem.message, "bad");
  } finally {
    if (mine === asked) list.removeAttribute("aria-busy");
  }
}

async function more() {
  if (next === null || list.ariaBusy === "true") return;
  list.setAttribute("aria-busy", "true");
  await sending([byId("more").querySelector("button")], async () => {
    const answer = await page(next);
    next = answer.next_page;
    append(answer.items, next !== null);
  });
  list.removeAttribute("aria-busy");
}

// What the feed told. Only the last event of each handoff counts, and only if it is newer than what is shown.
/** @param {FeedEvent[]} events */
function onEvents(events) {
  const latest = new Map(events.map((event) => [event.handoff.id, event]));
  for (const { type, handoff } of latest.values()) {
    const known = rows.get(handoff.id);
    if (known && handoff.seq <= known.card.seq) continue;
    take(handoff, known ? known.isUnread || renews(type, handoff) : handoff.handed_off_by.id !== me.id);
    paneChanged(handoff);
  }
  if (latest.size && (filter.q || filter.view === "for_me")) refreshSoon();
}

// Which events make a handoff news again to somebody who has read it.
const renews = (type, handoff) =>
  type === "handoff.overdue" || (type === "handoff.reassigned" && handoff.claimed_by?.id === me.id);

// Only the server knows what a search finds, and what is meant for somebody beside the target.
function refreshSoon() {
  clearTimeout(again);
  again = setTimeout(() => refresh().catch(() => null), AGAIN_MS);
}

// A card as the feed or, `isListed`, the list has it.
/** @param {Handoff} card */
function take(card, unread, isListed = false) {
  const known = rows.get(card.id);
  if (isListed || belongs(card, known)) {
    if (known) update(known, card);
    else if (enter(card, unread) && !isListed) announceUnlisted(card);
  } else if (known) {
    known.show(card);
    leave(known, whereTo(card));
  }
  rows.get(card.id)?.unread(unread);
}

// What a search finds and what is meant for somebody, only the server knows; until it is asked, what is there stays.
function belongs(card, known) {
  if (filter.q || filter.view === "for_me") return known?.leftAt === null;
  return HOLDS[filter.view](card) && fits(card);
}

/** @param {Handoff} card */
function announceUnlisted(card) {
  if (card.handed_off_by.id !== me.id && HOLDS.waiting(card)) arrived(card);
}

/** @param {Handoff} card */
function whereTo(card) {
  if (card.status === "claimed")
    return card.claimed_by.id === me.id ? "You took it" : `Taken by ${card.claimed_by.name}`;
  if (card.status === "resolved") return STATUS.resolved;
  if (card.status === "withdrawn") return `Withdrawn by ${card.handed_off_by.name}`;
  return HOLDS.waiting(card) && filter.view === "mine" ? "Back in the queue" : "No longer in this view";
}

function drawExtent() {
  const { count, text, complete } = extent();
  say(byId("count"), text);
  byId("more").hidden = complete;
  offerCategories([...rows.values()].map((made) => made.card.session.category));
  const box = byId("state");
  box.hidden = count > 0 || list.childElementCount > 0;
  if (box.hidden) return;
  const [title, detail] = narrowed() ? ["Nothing matches", ""] : JSON.parse(box.dataset.empty);
  const all = el("button", { type: "button", on: { click: () => byId("clear").click() } }, "Show all of this view");
  box.replaceChildren(
    el("p", { className: "state-title" }, title),
    el("p", {}, detail),
    narrowed() ? el("p", {}, all) : "",
  );
}

// Taking from the row.
function claimRow(made) {
  if (!mayWrite) {
    flash("Viewers cannot take handoffs.", "info");
    return;
  }
  sending([made.part("take")], async () => {
    if (await claim(made.card, { stay: true })) go(made, `/handoffs/${made.card.id}`);
  });
}

function open(made) {
  if (!isWide()) return go(made, `/handoffs/${made.card.id}`);
  if (isOpen(made.card.id)) return go(made, `/handoffs/${made.card.id}`);
  select(made);
  changeAddress({ open: made.card.id });
  return openPane(made.card);
}

function go(made, path) {
  remember(made.card.id);
  location.assign(path);
}

const remember = (id) => sessionStorage.setItem(PLACE, id);

function select(made) {
  for (const node of list.querySelectorAll("[aria-current]")) node.removeAttribute("aria-current");
  made?.node.setAttribute("aria-current", "true");
}

const rowOf = (node) => rows.get(node?.closest(".card")?.dataset.id);

list.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const made = rowOf(target);
  if (!made || made.leftAt !== null) return;
  if (target.closest(".take")) return claimRow(made);
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (getSelection().isCollapsed) open(made);
});

// Walking with the keys.
function walk(by) {
  const all = [...list.querySelectorAll(".card:not(.leaving) .title")];
  const at = all.findIndex((link) => rowOf(link) === current());
  const to = all[at === -1 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  to?.focus({ preventScroll: true });
  to?.closest(".card").scrollIntoView({ block: "nearest" });
}

const current = () => rowOf(document.activeElement) ?? rowOf(list.querySelector("[aria-current]"));

function withCurrent(act) {
  const made = current();
  if (made) act(made);
  else announce("Choose a handoff first, with j or k.");
}

onKey("j", () => walk(1));
onKey("k", () => walk(-1));
onKey("c", () => withCurrent(claimRow));
onKey("r", () => withCurrent((made) => go(made, `/handoffs/${made.card.id}#key-r`)));
onKey("a", () => withCurrent((made) => go(made, `/handoffs/${made.card.id}#key-a`)));
onKey("Escape", () => {
  if (!closePane()) return;
  changeAddress({ open: null });
  current()?.part("title").focus();
  select(null);
});

function onState(state) {
  showConnection(state);
}

function comeBack() {
  const made = rows.get(sessionStorage.getItem(PLACE));
  sessionStorage.removeItem(PLACE);
  if (made) select(made);
  const opened = rows.get(new URLSearchParams(location.search).get("open"));
  if (!opened || !isWide()) return;
  select(opened);
  openPane(opened.card);
}

setInterval(() => {
  for (const made of rows.values()) if (made.node.isConnected) made.tick();
}, TICK_MS);

onRead((id) => rows.get(id)?.unread(false));
byId("more").querySelector("button").addEventListener("click", more);
new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && more()).observe(byId("more"));
startFilters(show);
startList({ order: order(), more: next !== null, onChange: drawExtent });
drawExtent();
showFlash();
comeBack();
follow({ load, onEvents, onState });
