// One handoff: the context screen before the claim, the session view after it. Both fill in live.

import { get, isAdmin, mayWrite, me, Problem } from "./api.js";
import { showAssessment } from "./assessment.js";
import { showConnection } from "./connection.js";
import { byId, calm, el, refill, say } from "./dom.js";
import { follow } from "./feed.js";
import { showFlash } from "./flash.js";
import { showStart } from "./start.js";
import { showSteps } from "./steps.js";
import { age, belowTitle, moment, PRIORITY, returns, STATUS } from "./words.js";
import { showAddStep, showWork } from "./work.js";

const TICK_MS = 1000;

const article = byId("handoff");
const id = article.dataset.id;
/** @type {{ handoff: Handoff, session: Session, newest: Assessment, mode: string }} */
const view = { handoff: null, session: null, newest: null, mode: null };

// Everything the page shows, and a cursor that was read before it.
async function load() {
  const { cursor } = await get("/feed?cursor=now");
  await read();
  return cursor;
}

async function read() {
  try {
    const handoff = await get(`/handoffs/${id}`);
    const session = await get(`/sessions/${encodeURIComponent(handoff.session.external_id)}?handoff=${id}`);
    const newest = await newestGeneration(handoff);
    Object.assign(view, { handoff, session, newest });
  } catch (problem) {
    if (problem.status === 404) gone();
    throw problem;
  }
  draw();
}

// The generation that is being written or has failed is not the one that is shown; it says since when and why.
async function newestGeneration(handoff) {
  const { assessment, assessment_state: state } = handoff;
  if (!state || state === assessment?.assessment_state) return assessment;
  const { items } = await get(`/handoffs/${id}/assessments`);
  return items.at(-1) ?? null;
}

function gone() {
  article.removeAttribute("aria-busy");
  byId("context").hidden = true;
  say(byId("heading"), "This handoff is not here");
  byId("case-head").append(el("p", {}, "It does not exist, or it is parked by somebody else."));
}

/** @param {FeedEvent[]} events */
function onEvents(events) {
  const mine = events.filter((event) => event.handoff.id === id);
  if (!mine.some((event) => event.seq > (view.handoff?.seq ?? 0))) return;
  read().catch((problem) => {
    if (!(problem instanceof Problem)) throw problem;
    setTimeout(() => onEvents(mine), 2000);
  });
}

// A write of this page answered with the handoff as it is now.
async function changed(handoff) {
  if (handoff) view.handoff = handoff;
  await read();
}

const mode = (handoff) =>
  handoff.status === "claimed" && (handoff.claimed_by.id === me.id || isAdmin) ? "session" : "context";

function draw() {
  const { handoff } = view;
  const before = view.mode;
  view.mode = mode(handoff);
  article.removeAttribute("aria-busy");
  drawHead(handoff);
  if (before !== null && before !== view.mode) dissolve();
  drawSections();
}

function drawSections() {
  const { handoff, session, newest } = view;
  article.dataset.mode = view.mode;
  drawProblem(handoff);
  showSteps(byId("tried"), session, handoff);
  showAssessment(byId("assessment"), { handoff, newest, changed, mayWrite });
  if (view.mode === "session") showWork(byId("start"), { handoff, changed });
  else showStart(byId("start"), { handoff, changed });
  showAddStep(byId("add"), { handoff, changed, shown: view.mode === "session" });
  say(byId("h-tried"), view.mode === "session" ? "Session" : "What has been tried");
}

// The context turns into the session; the reader is told, and led to the heading.
function dissolve() {
  if (!calm()) byId("context").animate({ opacity: [0, 1] }, { duration: 200, easing: "ease-out" });
  const text = view.mode === "session" ? "This handoff is yours now." : "Back to the context.";
  byId("polite").textContent = text;
  byId("heading").focus();
}

/** @param {Handoff} handoff */
function drawHead(handoff) {
  const { session } = handoff;
  document.title = `${session.title} · Escalation`;
  say(byId("heading"), session.title);
  const facts = [session.external_id, session.client, session.asset, session.category].filter(Boolean);
  const line = el("p", { className: "facts" }, facts.join(" · "));
  const badges = el(
    "p",
    { className: "badges" },
    el("span", { className: "badge", data: { priority: handoff.priority } }, PRIORITY[handoff.priority]),
    el("span", { className: "badge" }, STATUS[handoff.status]),
    returns(handoff.returns) && el("span", { className: "badge again" }, returns(handoff.returns)),
    handoff.overdue && el("span", { className: "badge overdue" }, "Overdue"),
    handoff.target &&
      el("span", { className: "badge" }, `For ${handoff.target.id === me.id ? "you" : handoff.target.name}`),
  );
  const by = el(
    "p",
    { className: "by" },
    `Handed off by ${handoff.handed_off_by.name}, `,
    el(
      "time",
      { dateTime: handoff.created_at, title: moment(handoff.created_at), data: { age: handoff.created_at } },
      `${age(handoff.created_at)} ago`,
    ),
  );
  const head = byId("case-head");
  head.replaceChildren(byId("heading"), el("div", { className: "case-facts" }, badges, line, by));
}

/** @param {Handoff} handoff */
function drawProblem(handoff) {
  const { session } = handoff;
  const summary = handoff.assessment?.summary;
  refill(
    byId("problem").querySelector(".fill"),
    summary && el("p", { className: "lead" }, belowTitle(summary, session.title)),
    el(
      "dl",
      { className: "asks" },
      part("reason", "Why it was handed off", handoff.reason),
      handoff.ask && part("ask", "What is needed from you", handoff.ask),
      handoff.status === "resolved" && part("resolution", "What fixed it", handoff.resolution),
    ),
    el("h3", {}, "As it was reported"),
    el(
      "p",
      { id: "evidence-problem", className: "ticket", tabIndex: -1 },
      session.problem || "Nothing was written down.",
    ),
  );
}

const part = (name, title, text) =>
  el("div", { id: `evidence-${name}`, tabIndex: -1 }, el("dt", {}, title), el("dd", { className: "ticket" }, text));

setInterval(() => {
  for (const node of document.querySelectorAll("[data-age]"))
    say(node, `${age(node.dataset.age)}${node.dataset.bare ? "" : " ago"}`);
}, TICK_MS);

showFlash();
follow({ load, onEvents, onState: showConnection });
