// What somebody handed off before: the drafts, and what became of the others.

import { announce } from "./announce.js";
import { get, me, post } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, refill } from "./dom.js";
import { sending } from "./sending.js";
import { ago, PRIORITY, plural, returns, STATUS } from "./words.js";

const PAGE = 20;
const pages = { parked: 1, mine: 1 }; // how many pages are shown

/** Load both lists again, as long as they are shown. */
export async function showHandedOff() {
  try {
    const [parked, sent] = await Promise.all([
      load("parked", "status=parked"),
      load("mine", `handed_off_by=${me.id}&${sentStatuses}`),
    ]);
    refill(byId("parked"), list(parked, "parked", "Nothing is parked.", draftButtons));
    refill(byId("mine"), list(sent, "mine", "You have not handed anything off yet."));
  } catch {
    for (const id of ["parked", "mine"])
      refill(
        byId(id),
        el("p", { className: "state-line" }, "This list cannot be loaded. "),
        el("button", { type: "button", on: { click: showHandedOff } }, "Try again"),
      );
  }
}

const sentStatuses = Object.keys(STATUS)
  .filter((status) => status !== "parked")
  .map((status) => `status=${status}`)
  .join("&");

async function load(name, query) {
  const items = [];
  let next = null;
  for (let page = 0; page < pages[name] && (page === 0 || next); page++) {
    const answer = await get(`/handoffs?${query}&limit=${PAGE}${next ? `&page=${encodeURIComponent(next)}` : ""}`);
    items.push(...answer.items);
    next = answer.next_page;
  }
  return { items, more: next !== null };
}

/** @param {{ items: Handoff[], more: boolean }} found */
function list({ items, more }, name, empty, buttons = null) {
  if (!items.length) return el("p", { className: "state-line" }, empty);
  return [
    el(
      "ul",
      {},
      items.map((item) => el("li", {}, about(item), buttons?.(item))),
    ),
    more &&
      el(
        "button",
        { type: "button", data: { key: `more-${name}` }, on: { click: () => showMore(name) } },
        "Show more",
      ),
  ];
}

function showMore(name) {
  pages[name]++;
  return showHandedOff();
}

/** @param {Handoff} item */
function about(item) {
  const facts = [
    item.session.external_id,
    item.handed_off_by.id !== me.id && `by ${item.handed_off_by.name}`,
    item.priority !== "normal" && PRIORITY[item.priority],
    returns(item.returns),
    ago(item.created_at),
  ];
  return el(
    "div",
    { className: "grow" },
    item.unread && el("span", { className: "unread-mark", attrs: { role: "img", "aria-label": "Something new:" } }),
    el("a", { href: `/handoffs/${item.id}`, className: "title", data: { key: item.id } }, item.session.title),
    el("p", { className: "facts" }, facts.filter(Boolean).join(" · ")),
    item.questions_open > 0 && el("p", { className: "became" }, plural(item.questions_open, "open question")),
    item.status !== "parked" && el("p", { className: "became" }, became(item)),
  );
}

/** @param {Handoff} item */
function became(item) {
  if (item.status === "claimed") return `Taken by ${item.claimed_by.name} ${ago(item.claimed_at)}`;
  if (item.status === "resolved") return `Resolved ${ago(item.resolved_at)}: ${item.resolution}`;
  return STATUS[item.status];
}

/** @param {Handoff} item */
function draftButtons(item) {
  const name = item.session.title;
  const button = (text, act) =>
    el(
      "button",
      {
        type: "button",
        data: { key: `${text}-${item.id}` },
        attrs: { "aria-label": `${text} ${name}` },
        on: { click: (event) => act(event.currentTarget, item) },
      },
      text,
    );
  return el(
    "div",
    { className: "buttons" },
    item.handed_off_by.id === me.id && button("Escalate", escalate),
    el("a", { href: `/handoffs/${item.id}`, className: "button", attrs: { "aria-label": `Edit ${name}` } }, "Edit"),
    button("Discard", discard),
  );
}

function escalate(button, item) {
  return sending([button], async () => {
    await post(`/handoffs/${item.id}/escalate`);
    await ended(`${item.session.title} is in the queue.`);
  });
}

async function discard(button, item) {
  const text = "The draft and its steps are gone then, for you and for the admins.";
  if (!(await confirmed(`Discard “${item.session.title}”?`, text, "Discard it"))) return;
  await sending([button], async () => {
    await post(`/handoffs/${item.id}/discard`);
    await ended(`${item.session.title} is discarded.`);
  });
}

async function ended(text) {
  announce(text);
  await showHandedOff();
  byId("heading").focus();
}
