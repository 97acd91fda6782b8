// The context of a handoff beside the list: enough to know whether to take it. The whole of it is a page of its own.

import { get, Problem } from "./api.js";
import { standing } from "./card.js";
import { claim } from "./claim.js";
import { byId, el } from "./dom.js";
import { markRead } from "./read.js";
import { sending } from "./sending.js";
import { moment, PRIORITY, STANDING, STATUS, source } from "./words.js";

const LONGEST = 600; // characters of the problem; the page has all of them
const MOST = 4; // of each kind of statement
const AGAIN_MS = 300;

const pane = byId("context");
const article = byId("context-of");
const wide = matchMedia("(min-width: 1200px)");
let shown = null; // the id
let again = null;

export const isWide = () => wide.matches;
export const isOpen = (id) => shown === id;

/** @param {Handoff} card */
export async function openPane(card) {
  shown = card.id;
  byId("context-hint").hidden = true;
  article.hidden = false;
  article.setAttribute("aria-busy", "true");
  if (article.dataset.id !== card.id) article.replaceChildren(el("h2", {}, card.session.title));
  article.dataset.id = card.id;
  pane.scrollTop = 0;
  await draw(card.id);
}

// Returns whether there was something to close.
export function closePane() {
  if (shown === null) return false;
  shown = null;
  article.hidden = true;
  byId("context-hint").hidden = false;
  return true;
}

// The feed has an event of a handoff.
/** @param {Handoff} card */
export function paneChanged(card) {
  if (card.id !== shown) return;
  clearTimeout(again);
  again = setTimeout(() => draw(card.id), AGAIN_MS);
}

async function draw(id) {
  try {
    /** @type {Handoff} */
    const handoff = await get(`/handoffs/${id}`);
    if (id !== shown) return;
    article.replaceChildren(...parts(handoff).filter(Boolean));
    article.removeAttribute("aria-busy");
    markRead(handoff);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (id === shown) article.replaceChildren(el("p", { className: "notice bad" }, problem.message));
  }
}

/** @param {Handoff} handoff */
function parts(handoff) {
  const { assessment: written, session } = handoff;
  return [
    el("h2", {}, session.title),
    el("p", { className: "facts" }, facts(handoff)),
    actions(handoff),
    part("Needed", handoff.ask),
    part("Why it was handed off", handoff.reason),
    handoff.resolution && part("What fixed it", handoff.resolution),
    part("Problem", shortened(session.problem)),
    written?.state && part("State now", STANDING[written.state.value]),
    ...statements("Tried, do not repeat", written?.do_not_repeat),
    part("Likely cause", written?.likely_cause?.text),
    ...statements("First steps", written?.suggested_steps),
    origin(handoff),
  ];
}

/** @param {Handoff} handoff */
function facts({ session, handed_off_by: author, created_at: at, priority, status }) {
  const all = [PRIORITY[priority], STATUS[status], session.external_id, session.client, session.asset];
  return `${all.filter(Boolean).join(" · ")} · handed off by ${author.name}, ${moment(at)}`;
}

/** @param {Handoff} handoff */
function actions(handoff) {
  const why = standing(handoff);
  const take = el(
    "button",
    {
      type: "button",
      className: "primary",
      attrs: { "aria-keyshortcuts": "c" },
      on: { click: () => start(handoff) },
    },
    "Take",
  );
  const whole = el("a", { className: "button", href: `/handoffs/${handoff.id}` }, "Open");
  return el("div", { className: "buttons" }, why ? el("p", { className: "why" }, why) : take, whole);
}

function start(handoff) {
  const button = article.querySelector("button");
  return sending([button], async () => {
    if (await claim(handoff, { stay: true })) location.assign(`/handoffs/${handoff.id}`);
  });
}

const shortened = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

const part = (title, text) =>
  text ? el("div", {}, el("h3", {}, title), el("p", { className: "ticket" }, text)) : null;

/** @param {string} title @param {Statement[]} list */
function statements(title, list) {
  if (!list?.length) return [];
  const items = list.slice(0, MOST).map((each) => el("li", {}, each.text));
  return [el("div", {}, el("h3", {}, title), el("ul", { className: "plain" }, ...items))];
}

/** @param {Handoff} handoff */
function origin({ assessment: written, assessment_state: state }) {
  const pending = state === "queued" || state === "running";
  const text = written
    ? [`Confidence ${written.confidence}`, source(written.source), pending && "being rewritten"]
    : [pending ? "Assessing…" : state === "failed" && "No assessment: open it to see why"];
  return el("p", { className: "origin" }, text.filter(Boolean).join(" · "));
}
