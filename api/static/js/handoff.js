// One handoff: readable as the server sent it; here it becomes live, and its buttons and forms work.

import { announce } from "./announce.js";
import { call, now, Problem } from "./api.js";
import { showConnection } from "./connection.js";
import { startDock } from "./dock.js";
import { byId, calm, say } from "./dom.js";
import { startPlaces } from "./evidence.js";
import { follow } from "./feed.js";
import { flash, showFlash } from "./flash.js";
import { keepDrafts, startMoves } from "./moves.js";
import { pageNow, renew } from "./renew.js";
import { startFilters } from "./steps.js";
import { strand } from "./stranded.js";
import { age, span } from "./words.js";
import { zone } from "./zone.js";

const TICK_MS = 1000;
const WARN_MS = 5 * 60 * 1000;
const AGAIN_MS = 2000;

const article = byId("handoff");
const { id } = article.dataset;
let asked = null; // the answer that is on its way
let first = true;
let isUnseen = false; // what came while nobody looked is not read yet

// The page came with everything it shows and the cursor read before it; later it is read again.
async function load() {
  if (!first) await read();
  first = false;
  return article.dataset.cursor;
}

// Show the handoff as it is now. A call while an answer is on its way waits for the next one.
async function read() {
  while (asked) await asked.catch(() => null);
  const unseen = document.hidden;
  asked = pageNow({ tail: byId("days").dataset.tail, ...(unseen && { unseen: "1" }) });
  try {
    take(await asked);
    isUnseen = unseen;
  } catch (problem) {
    if (problem.status === 404) gone();
    throw problem;
  } finally {
    asked = null;
  }
}

/** @param {Document} page */
function take(page) {
  const fresh = page.getElementById("handoff");
  const before = { ...article.dataset, generation: byId("assessment").dataset.generation };
  renew(article, fresh);
  document.title = `${byId("heading").textContent} · Escalation`;
  strand(fresh, { changed: read });
  keepDrafts();
  startDock();
  announceChange(before);
}

function announceChange(before) {
  const { mode, status, last } = article.dataset;
  if (mode !== before.mode) dissolve(mode);
  else if (status !== before.status && last) announce(`${last}.`);
  else if (byId("assessment").dataset.generation !== before.generation) announce("The assessment is here.");
}

// The context turns into the session; the change is announced, and the reader is led to the heading unless they are writing.
function dissolve(mode) {
  if (!calm()) byId("context").animate({ opacity: [0, 1] }, { duration: 200, easing: "ease-out" });
  announce(mode === "session" ? "This handoff is yours now." : `${article.dataset.last || "Back to the context"}.`);
  if (!document.activeElement?.closest("form")) byId("heading").focus({ preventScroll: true });
}

function gone() {
  flash("This handoff is not here any more. What you have written is still on this page.", "bad");
}

/** @param {FeedEvent[]} events */
function onEvents(events) {
  const mine = events.filter((event) => event.handoff.id === id);
  if (!mine.some((event) => event.seq > Number(article.dataset.seq))) return;
  read().catch((problem) => {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 404) setTimeout(() => onEvents(mine), AGAIN_MS);
  });
}

setInterval(() => {
  for (const node of document.querySelectorAll("[data-age]"))
    say(node, `${age(node.dataset.age)}${node.dataset.bare ? "" : " ago"}`);
  watchLease();
}, TICK_MS);

let warned = null;

// Five minutes before a claim goes back, its line becomes a warning, which is also spoken, once for each end.
function watchLease() {
  const lease = byId("lease");
  const left = lease ? Date.parse(lease.dataset.lease) - now() : Infinity;
  byId("start").classList.toggle("ending", left < WARN_MS);
  if (left >= WARN_MS || warned === lease.dataset.lease) return;
  warned = lease.dataset.lease;
  announce(`This goes back to the queue in ${span(left / 1000)}. Add a step or keep it.`);
}

// What the server renders for somebody who looks at it, it marks as read itself.
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !isUnseen) return;
  isUnseen = false;
  call("PUT", `/handoffs/${id}/read`, { body: { seq: Number(article.dataset.seq) } }).catch(() => null);
});

startDock();
startPlaces(article);
startFilters();
startMoves(article, { changed: read });
showFlash();
follow({ load, onEvents, onState: showConnection });
// Only a reader's first page is written on another clock than theirs.
if (zone !== (article.dataset.zone || "UTC")) read().catch(() => null);
