// What every page shows: how much waits and is urgent or meant for me, in the menu and in the title; what is urgent or
// for me when it arrives.

import { alertUnseen, startAlerts } from "./alerts.js";
import { arrived, summary } from "./announce.js";
import { get, me, Problem } from "./api.js";
import { byId, el } from "./dom.js";
import { follow, following, isLeading, listen } from "./feed.js";
import { startKeys } from "./keys.js";
import { onRead, tellRead } from "./read.js";
import { isForMe, isMine, waits } from "./views.js";

const SOON_MS = 1000; // several events ask for the counts once
const MOST_TOASTS = 3;
const WHERE = { urgent: "/queue?priority=urgent", "for-me": "/queue?view=for_me" };

const tallies = byId("tallies");
const isQueue = byId("desk") !== null;
const channel = new BroadcastChannel(`counts-${me.account}-${me.id}`);
let counts = JSON.parse(tallies.dataset.counts ?? "null");
let missed = 0; // arrivals while nobody looked
let asking = null;

channel.onmessage = ({ data }) => draw(data);

function askSoon() {
  if (asking === null) asking = setTimeout(ask, SOON_MS);
}

async function ask() {
  asking = null;
  try {
    const { views } = await get("/queue/counts");
    draw(views);
    channel.postMessage(views);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}

function draw(views) {
  counts = views;
  tallies.replaceChildren(
    ...tallyTexts().map(([kind, text]) => el("a", { className: `tally ${kind}`, href: WHERE[kind] }, text)),
  );
  for (const [name, of] of Object.entries(views)) drawView(name, of);
  drawTitle();
}

function drawView(name, { total, urgent, unread }) {
  const link = document.querySelector(`#views a[data-view="${CSS.escape(name)}"]`);
  if (!link) return;
  link.classList.toggle("unread", unread > 0);
  for (const old of link.querySelectorAll(".tally")) old.remove();
  if (urgent && name !== "handed_off")
    link.append(
      el("span", { className: "tally urgent" }, `${urgent}`, el("span", { className: "unseen" }, " urgent")),
    );
  if (total != null) link.append(el("span", { className: "tally" }, `${total}`));
}

// The counts that stand everywhere: [kind, text].
function tallyTexts() {
  if (!counts) return [];
  const { waiting, for_me: mine } = counts;
  return [
    waiting.urgent && ["urgent", `${waiting.urgent} urgent`],
    mine?.total && ["for-me", `${mine.total} for me`],
  ].filter(Boolean);
}

// The title is the page's own; the counts stand before it, also when a script has changed it.
const COUNTED = /^(\(\d+\) )?(\d+ urgent · )?(\d+ for me · )?/;
const title = document.querySelector("title");
let own = title.textContent.replace(COUNTED, "");
let before = title.textContent.slice(0, -own.length);

function drawTitle() {
  before =
    (missed ? `(${missed}) ` : "") +
    tallyTexts()
      .map(([, text]) => `${text} · `)
      .join("");
  if (title.textContent !== before + own) title.textContent = before + own;
}

new MutationObserver(() => {
  if (title.textContent === before + own) return;
  own = title.textContent.replace(COUNTED, "");
  drawTitle();
}).observe(title, { childList: true, characterData: true, subtree: true });

/** @param {FeedEvent[]} events */
function onEvents(events) {
  if (!events.length) return;
  if (isLeading()) askSoon();
  const news = events.filter(isNews).map((event) => event.handoff);
  if (!news.length) return;
  if (document.hidden) {
    missed += news.length;
    drawTitle();
  }
  const loud = news.filter((card) => card.priority === "urgent" || isForMe(card) || isMine(card));
  if (!loud.length) return;
  if (isQueue) for (const card of loud) arrived(card);
  else toast(loud);
  if (document.hidden && isLeading()) alertUnseen(summary(loud), loud[0].id);
}

// Arrivals and reminders, and what somebody else has given to me.
/** @param {FeedEvent} event */
function isNews({ type, handoff }) {
  if (handoff.handed_off_by.id === me.id) return false;
  if (["handoff.created", "handoff.waiting", "handoff.overdue", "handoff.released"].includes(type))
    return waits(handoff);
  return type === "handoff.reassigned" && isMine(handoff);
}

/** @param {Handoff[]} cards */
function toast(cards) {
  const box = byId("toasts");
  const [first] = cards;
  const close = () => {
    node.remove();
    box.hidden = box.childElementCount === 0;
  };
  const node = el(
    "div",
    { className: `toast ${first.priority}`, attrs: { role: "alert" } },
    el("p", {}, summary(cards)),
    el("a", { className: "button", href: cards.length === 1 ? `/handoffs/${first.id}` : "/queue" }, "Open"),
    el("button", { type: "button", className: "quiet", on: { click: close } }, "Dismiss"),
  );
  box.hidden = false;
  box.append(node);
  while (box.childElementCount > MOST_TOASTS) box.firstElementChild.remove();
}

function lookedAt() {
  if (document.hidden || !missed) return;
  missed = 0;
  drawTitle();
}
document.addEventListener("visibilitychange", lookedAt);
addEventListener("focus", lookedAt);

startKeys();
startAlerts();
onRead(askSoon);
// The server has marked as read what it shows in full; the other tabs do not know yet.
const shown = byId("handoff");
if (shown && !document.hidden) tellRead(shown.dataset.id);
listen(onEvents);
if (!following())
  follow({
    load: async () => (await get("/feed?cursor=now")).cursor,
    onEvents: () => {},
    onState: () => {},
  });
