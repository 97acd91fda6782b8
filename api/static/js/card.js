// One handoff as a row. The server has made it, or it is a clone of the template; later states are written into it.
// What a row says, api/queue/rows.py says in the same words.

import { isAdmin, mayWrite, me, now } from "./api.js";
import { byId, el, say } from "./dom.js";
import { marked } from "./found.js";
import { waits } from "./views.js";
import { age, PRIORITY, plural, returns, STATUS } from "./words.js";

const limits = JSON.parse(byId("desk").dataset.limits);

/**
 * A row that is on the page already. `facts` are what the page does not show of it.
 * @param {HTMLElement} node
 * @param {[number, string | null, string, string | null, string | null]} facts
 */
export function adopt(node, [seq, category, author, target, taker]) {
  const { id, priority, status } = node.dataset;
  const person = (known) => known && { id: known, name: "" };
  const card = /** @type {Handoff} */ ({
    ...{ id, seq, priority, status, target: person(target), claimed_by: person(taker) },
    ...{ handed_off_by: person(author), created_at: node.querySelector(".age").dateTime },
    session: { title: node.querySelector(".title").textContent, category },
  });
  const made = new Row(node, card);
  made.isUnread = node.dataset.unread !== undefined;
  return made;
}

/** @param {Handoff} card */
export function makeCard(card) {
  const template = /** @type {HTMLTemplateElement} */ (byId("row"));
  const node = /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
  node.dataset.id = card.id;
  node.querySelector(".title").href = `/handoffs/${card.id}`;
  const made = new Row(node, card);
  made.unread(card.unread ?? false);
  made.show(card);
  return made;
}

class Row {
  /** @param {HTMLElement} node @param {Handoff} card */
  constructor(node, card) {
    this.node = node;
    this.card = card;
    this.isUnread = false;
    this.leftAt = null; // when it left the view; it stays until the list is at rest
    this.misplaced = false;
  }

  part(name) {
    return this.node.querySelector(`.${name}`);
  }

  /** @param {Handoff} card */
  show(card) {
    this.card = card;
    const { node } = this;
    node.dataset.priority = card.priority;
    node.dataset.status = card.status;
    node.dataset.state = card.assessment_state ?? "";
    say(this.part("priority"), PRIORITY[card.priority]);
    say(this.part("title"), card.session.title);
    say(this.part("facts"), facts(card));
    say(this.part("origin"), assessed(card));
    showNeed(this.part("need"), card);
    this.part("badges").replaceChildren(...badges(card));
    this.part("age").dateTime = card.resolved_at ?? card.created_at;
    this.tick();
    if (this.leftAt === null) this.stand();
  }

  unread(yes) {
    this.isUnread = yes;
    if (yes) this.node.dataset.unread = "";
    else delete this.node.dataset.unread;
  }

  // The age goes on, and turns amber and red at the account's limits.
  tick() {
    const time = this.part("age");
    say(time, age(time.dateTime));
    time.dataset.heat = waits(this.card) ? heatOf(this.card, time.dateTime) : "";
  }

  // What stands at the end of the row: the button, or why there is none.
  stand() {
    const why = standing(this.card);
    say(this.part("note"), why);
    this.part("take").hidden = why !== "";
  }

  // Show where it went until it leaves the list.
  leave(note) {
    this.leftAt ??= performance.now();
    say(this.part("note"), note);
    this.part("take").hidden = true;
    this.node.classList.add("leaving");
  }

  stay() {
    this.leftAt = null;
    this.node.classList.remove("leaving");
    this.stand();
  }
}

function heatOf(card, since) {
  const minutes = (now() - Date.parse(since)) / 60000;
  const of = card.priority === "urgent" ? "urgent_" : "";
  if (minutes >= limits[`${of}red_minutes`]) return "red";
  return minutes >= limits[`${of}amber_minutes`] ? "amber" : "";
}

/** @param {Handoff} card */
function facts(card) {
  const { session } = card;
  const steps = plural(session.steps_count, "step").replace(" ", "\u00a0");
  const parts = [session.client, session.external_id, session.category, steps, `from ${card.handed_off_by.name}`];
  return parts.filter(Boolean).join(" · ");
}

/** @param {Handoff} card */
function assessed(card) {
  const { assessment } = card;
  const pending = card.assessment_state === "queued" || card.assessment_state === "running";
  if (!assessment) return pending ? "Assessing…" : card.assessment_state === "failed" ? "No assessment" : "";
  const source = pending ? "being rewritten" : assessment.source === "extractive" ? "without AI" : null;
  return [`Confidence ${assessment.confidence}`, source].filter(Boolean).join(" · ");
}

// What is needed; or, where the row was found by a search, where the words stand.
/** @param {Handoff} card */
function showNeed(node, card) {
  const found = card.matched?.find((each) => each.field !== "title") ?? card.matched?.[0];
  if (found) node.replaceChildren(...marked(found));
  else say(node, card.ask ? `Needs: ${card.ask}` : card.reason);
}

/** @param {Handoff} card */
function badges(card) {
  const badge = (kind, text) => el("span", { className: `badge ${kind}` }, text);
  return [
    card.returns && badge("again", returns(card.returns)),
    card.overdue && badge("overdue", "Overdue"),
    card.questions_open && badge("questions", plural(card.questions_open, "open question")),
    card.snoozed_until && badge("", "Waiting for the client"),
    waits(card) && card.target?.id === me.id && badge("for-me", "For you"),
  ].filter(Boolean);
}

// Why this person cannot take it; empty: they can.
/** @param {Handoff} card */
export function standing(card) {
  if (!waits(card)) return ended(card);
  if (card.handed_off_by.id === me.id) return "You handed it off";
  if (card.target && card.target.id !== me.id && !isAdmin) return `For ${card.target.name}`;
  return mayWrite ? "" : "Not taken yet";
}

/** @param {Handoff} card */
function ended(card) {
  const taker = card.claimed_by;
  const name = taker?.id === me.id ? "you" : taker?.name;
  if (card.status === "claimed") return taker.id === me.id ? "Yours" : `With ${name}`;
  if (card.status === "resolved" && taker) return `Resolved by ${name}`;
  return STATUS[card.status] ?? "";
}
