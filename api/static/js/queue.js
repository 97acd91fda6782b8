// The live queue: snapshot, then the feed. Cards change in place; new ones come on top.

import { announce, arrived } from "./announce.js";
import { mayWrite, me, snapshot } from "./api.js";
import { makeCard } from "./card.js";
import { claim } from "./claim.js";
import { showConnection } from "./connection.js";
import { byId, calm, el } from "./dom.js";
import { follow } from "./feed.js";
import { narrowed, offerCategories, searchAgain, startFilters, wanted } from "./filters.js";
import { flash, showFlash } from "./flash.js";
import { startKeys } from "./keys.js";
import { sending } from "./sending.js";
import { STATUS } from "./words.js";

const LEAVE_MS = 4000; // long enough to read who took it
const TICK_MS = 10000;
const OPEN = ["pending", "ready", "claimed"];
const TITLE = document.title;

const arrivals = byId("arrivals");
const established = byId("established");
const cards = new Map(); // id → card, every open handoff whatever the filter
let missed = 0; // arrivals while nobody looked
let loaded = false;

// The whole queue, and the cursor from which the feed goes on.
async function load() {
  const { items, cursor } = await snapshot();
  takeSnapshot(items);
  return cursor;
}

/** @param {Handoff[]} items */
function takeSnapshot(items) {
  const there = new Set(items.map((item) => item.id));
  for (const id of [...cards.keys()]) if (!there.has(id)) drop(id);
  for (const item of items) {
    const known = cards.get(item.id);
    // After a gap, what was not here before is new to the reader.
    if (!known) add(item, loaded);
    else if (item.seq > known.card.seq) known.show(item);
  }
  loaded = true;
  established.removeAttribute("aria-busy");
  arrange();
}

/** @param {Handoff} card */
function add(card, fresh) {
  const made = makeCard(card);
  made.fresh = fresh;
  made.isUnread = fresh;
  made.unread(fresh);
  made.node.addEventListener("focusin", () => markRead(made));
  cards.set(card.id, made);
  return made;
}

function drop(id) {
  const made = cards.get(id);
  if (!made) return;
  clearTimeout(made.leaving);
  made.node.remove();
  cards.delete(id);
}

function markRead(made) {
  made.isUnread = false;
  made.unread(false);
}

// What the feed told. Only the last event of each handoff counts, and only if it is newer than what is shown.
/** @param {FeedEvent[]} events */
function onEvents(events) {
  const latest = new Map(events.map((event) => [event.handoff.id, event]));
  let changed = false;
  for (const [id, event] of latest) {
    const known = cards.get(id);
    if (known && event.seq <= known.card.seq) continue;
    changed = true;
    if (known) change(known, event.handoff);
    else if (OPEN.includes(event.handoff.status)) enter(event.handoff);
  }
  if (!changed) return;
  searchAgain(arrange);
  arrange();
}

/** @param {Handoff} card */
function enter(card) {
  const made = add(card, true);
  if (!wanted(card)) return;
  made.node.classList.add("arriving");
  made.node.addEventListener("animationend", () => made.node.classList.remove("arriving"), { once: true });
  if (card.handed_off_by.id === me.id) return;
  arrived(card.session.title);
  if (document.hidden) {
    missed += 1;
    document.title = `(${missed}) ${TITLE}`;
  }
}

/** @param {Handoff} card */
function change(made, card) {
  const shown = made.node.isConnected && !made.leaving;
  made.show(card);
  const goes = !OPEN.includes(card.status) || !wanted(card);
  if (goes && shown) sayGoodbye(made);
  else if (!goes && made.leaving) {
    clearTimeout(made.leaving);
    made.leaving = null;
    made.stay();
  } else if (!OPEN.includes(card.status) && !made.leaving) drop(card.id);
}

function sayGoodbye(made) {
  made.leave(whereTo(made.card));
  made.leaving = setTimeout(() => fadeOut(made), LEAVE_MS);
}

/** @param {Handoff} card */
function whereTo(card) {
  if (card.status === "claimed")
    return card.claimed_by.id === me.id ? "You took it" : `Taken by ${card.claimed_by.name}`;
  if (card.status === "resolved") return STATUS.resolved;
  if (card.status === "withdrawn") return `Withdrawn by ${card.handed_off_by.name}`;
  return "No longer in this view";
}

async function fadeOut(made) {
  if (!calm()) await made.node.animate({ opacity: [1, 0] }, 150).finished.catch(() => null);
  const hadFocus = made.node.contains(document.activeElement);
  const next = made.node.nextElementSibling ?? made.node.previousElementSibling;
  made.leaving = null;
  if (OPEN.includes(made.card.status)) made.node.remove();
  else drop(made.card.id);
  made.stay();
  if (hadFocus) (next?.querySelector(".title") ?? byId("heading")).focus();
  arrange();
}

// Put every wanted card where it belongs; nodes that are there already are not touched.
function arrange() {
  const shown = [...cards.values()].filter((made) => made.leaving || wanted(made.card));
  for (const made of cards.values()) if (!made.leaving && !wanted(made.card)) made.node.remove();
  const byAge = (one, other) => (one.card.id < other.card.id ? -1 : 1);
  place(
    arrivals,
    shown
      .filter((made) => made.fresh)
      .sort(byAge)
      .reverse(),
  );
  place(established, shown.filter((made) => !made.fresh).sort(byAge));
  byId("just-in").hidden = arrivals.childElementCount === 0;
  const count = shown.filter((made) => !made.leaving).length;
  byId("count").textContent = loaded ? String(count) : "";
  offerCategories([...cards.values()].map((made) => made.card.session.category));
  showState(shown.length);
}

function place(list, wantedCards) {
  let at = list.firstElementChild;
  for (const { node } of wantedCards) {
    if (node === at) at = at.nextElementSibling;
    else list.insertBefore(node, at);
  }
  while (at) {
    const after = at.nextElementSibling;
    at.remove();
    at = after;
  }
}

function showState(count) {
  const box = byId("state");
  box.hidden = count > 0;
  established.hidden = established.childElementCount === 0;
  byId("waiting-head").hidden = loaded && established.hidden;
  if (count > 0 || !loaded) return;
  const [title, detail] = narrowed()
    ? ["Nothing matches", "No open handoff fits this filter."]
    : ["All clear", "Nobody is waiting. New handoffs appear here by themselves."];
  const all = el("button", { type: "button", on: { click: showAll } }, "Show all that are waiting");
  box.replaceChildren(
    el("p", { className: "state-title" }, title),
    el("p", {}, detail),
    narrowed() ? el("p", {}, all) : "",
  );
}

function showAll() {
  /** @type {Form} */ (byId("filters")).reset();
  byId("f-q").focus();
}

async function claimCurrent(id) {
  const made = cards.get(id);
  if (!made) {
    announce("Choose a handoff first, with j or k.");
    return;
  }
  if (!mayWrite) {
    flash("Viewers cannot take handoffs.", "info");
    return;
  }
  await sending([], async () => {
    if (await claim(made.card)) location.assign(`/handoffs/${id}`);
  });
}

byId("read-all").addEventListener("click", () => {
  for (const made of cards.values()) {
    made.fresh = false;
    markRead(made);
  }
  arrange();
  byId("heading").focus();
});

function lookedAt() {
  if (document.hidden) return;
  missed = 0;
  document.title = TITLE;
}
document.addEventListener("visibilitychange", lookedAt);
addEventListener("focus", lookedAt);

setInterval(() => {
  for (const made of cards.values()) if (made.node.isConnected) made.tick();
}, TICK_MS);

function onState(state) {
  showConnection(state);
  if (!loaded && state.kind !== "live" && state.kind !== "loading")
    byId("state").replaceChildren(
      el("p", { className: "state-title" }, "The queue cannot be loaded"),
      el("p", {}, "The server does not answer. This page tries again by itself."),
    );
}

startFilters(arrange);
startKeys({ claim: claimCurrent });
showFlash();
follow({ load, onEvents, onState });
