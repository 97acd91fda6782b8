// One handoff as the queue shows it. The node is made once; later states are written into it.

import { mayWrite, me } from "./api.js";
import { el, say } from "./dom.js";
import { age, belowTitle, moment, PRIORITY, plural, returns, source } from "./words.js";

/**
 * A card for a handoff: {node, show(card), unread(bool), tick(), leave(note)}.
 * @param {Handoff} card
 */
export function makeCard(card) {
  const parts = {
    dot: el("span", { className: "dot", hidden: true }, el("span", { className: "unseen" }, "Unread")),
    priority: el("span", { className: "badge" }),
    link: el("a", { className: "title", href: `/handoffs/${card.id}` }),
    badges: el("span", { className: "badges" }),
    age: el("time", { className: "age" }),
    facts: el("p", { className: "facts" }),
    reason: el("p", { className: "reason" }),
    summary: el("p", { className: "summary" }),
    origin: el("p", { className: "origin" }),
    pick: el("a", { className: "button", href: `/handoffs/${card.id}` }, "Pick up"),
    note: el("p", { className: "note", hidden: true }),
  };
  const node = el(
    "li",
    { className: "card", data: { id: card.id } },
    el("div", { className: "line" }, parts.dot, parts.priority, el("h3", {}, parts.link), parts.badges, parts.age),
    el(
      "div",
      { className: "body" },
      el("div", { className: "texts" }, parts.facts, parts.reason, parts.summary, parts.origin),
      parts.pick,
    ),
    parts.note,
  );
  const made = { node, card, parts, fresh: false, isUnread: false, ...verbs(node, parts) };
  made.show(card);
  return made;
}

function verbs(node, parts) {
  return {
    show(card) {
      this.card = card;
      write(node, parts, card);
    },
    unread(yes) {
      parts.dot.hidden = !yes;
    },
    tick() {
      say(parts.age, age(this.card.created_at));
    },
    // Tell where it went, for the moment before it goes.
    leave(note) {
      say(parts.note, note);
      parts.note.hidden = false;
      node.classList.add("leaving");
    },
    stay() {
      parts.note.hidden = true;
      node.classList.remove("leaving");
    },
  };
}

/** @param {Handoff} card */
function write(node, parts, card) {
  const { session } = card;
  node.dataset.priority = card.priority;
  node.dataset.state = card.assessment_state ?? "";
  node.dataset.status = card.status;
  say(parts.priority, PRIORITY[card.priority]);
  say(parts.link, session.title);
  parts.pick.setAttribute("aria-label", `Pick up: ${session.title}`);
  say(parts.facts, facts(card));
  say(parts.reason, card.ask ? `Needs: ${card.ask}` : card.reason);
  say(parts.age, age(card.created_at));
  parts.age.dateTime = card.created_at;
  parts.age.title = `Handed off ${moment(card.created_at)}`;
  parts.badges.replaceChildren(...badges(card));
  writeAssessment(parts, card);
  parts.pick.textContent = mayWrite && card.status !== "claimed" ? "Pick up" : "Open";
  parts.pick.setAttribute("aria-label", `${parts.pick.textContent}: ${session.title}`);
}

/** @param {Handoff} card */
function facts(card) {
  const { session } = card;
  const parts = [
    session.external_id,
    session.client,
    session.category,
    plural(session.steps_count, "step").replace(" ", "\u00a0"),
  ];
  return `${parts.filter(Boolean).join(" · ")} · from ${card.handed_off_by.name}`;
}

/** @param {Handoff} card */
function badges(card) {
  const again = returns(card.returns);
  const mine = card.handed_off_by.id === me.id;
  const forMe = card.target?.id === me.id;
  return [
    again && el("span", { className: "badge again" }, again),
    card.overdue &&
      el("span", { className: "badge overdue", title: "It was taken, and nothing happened in time" }, "Overdue"),
    card.claimed_by &&
      el("span", { className: "badge" }, card.claimed_by.id === me.id ? "Yours" : `With ${card.claimed_by.name}`),
    card.target &&
      el("span", { className: `badge ${forMe ? "for-me" : ""}` }, forMe ? "For you" : `For ${card.target.name}`),
    mine && el("span", { className: "badge" }, "You handed it off"),
  ].filter(Boolean);
}

/** @param {Handoff} card */
function writeAssessment(parts, card) {
  const { assessment } = card;
  const pending = card.assessment_state === "queued" || card.assessment_state === "running";
  if (assessment?.summary) {
    say(parts.summary, belowTitle(assessment.summary, card.session.title));
    const from = [`Confidence ${assessment.confidence}`, source(assessment.source), pending && "being rewritten"];
    say(parts.origin, from.filter(Boolean).join(" · "));
  } else if (pending) {
    say(parts.summary, card.session.problem);
    say(parts.origin, "Assessing…");
  } else {
    say(parts.summary, card.session.problem);
    say(parts.origin, card.assessment_state === "failed" ? "No assessment: open it to see why" : "");
  }
}
