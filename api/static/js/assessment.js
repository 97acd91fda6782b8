// The AI assessment: what it says and rests on, how sure it is, how old it is; or why it is not there.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { el, refill } from "./dom.js";
import { keepDraft } from "./drafts.js";
import { elsewhere, evidence } from "./evidence.js";
import { sending } from "./sending.js";
import { ASSESSMENT, age, clock, moment, plural, RATING, STANDING, source, why } from "./words.js";

/** @typedef {{ handoff: Handoff, newest: Assessment, changed: Function, mayWrite: boolean }} View */

const WAITS = ["queued", "running"];

/**
 * Fill the section. Nothing is touched while nothing has changed, so that a comment half written stays.
 * @param {View} view
 */
export function showAssessment(section, view) {
  const { handoff, newest, mayWrite } = view;
  const shown = handoff.assessment;
  const key = JSON.stringify([
    shown?.generation,
    shown?.steps_newer,
    newest?.generation,
    newest?.assessment_state,
    handoff.assessment_state,
    handoff.status,
  ]);
  if (section.dataset.key === key) return;
  const came = section.dataset.key !== undefined && section.dataset.shown !== String(shown?.generation) && shown;
  section.dataset.key = key;
  section.dataset.shown = String(shown?.generation);
  refill(
    section.querySelector(".fill"),
    status(view),
    shown && content(shown),
    shown && origin(shown),
    mayWrite && tools(view),
  );
  if (came) announce("The assessment is here.");
}

// What a reader must know before believing what stands below.
/** @param {View} view */
function status({ handoff, newest }) {
  const shown = handoff.assessment;
  const state = handoff.assessment_state;
  if (!state) return el("p", { className: "state-line" }, "A parked handoff is not assessed until it is escalated.");
  if (WAITS.includes(state)) return waiting(newest, shown);
  if (state === "failed")
    return el(
      "p",
      { className: "notice warn" },
      shown
        ? `The newest try failed: ${why(newest?.error_kind)}. Below is the one before.`
        : `There is no assessment: ${why(newest?.error_kind)}. The session itself is complete on this page.`,
    );
  if (shown?.assessment_state === "fallback")
    return el(
      "p",
      { className: "notice warn" },
      `Written without AI: ${why(shown.error_kind)}. It was put together from the session and past cases.`,
    );
  return null;
}

/** @param {Assessment} newest @param {Assessment} shown */
function waiting(newest, shown) {
  const since = newest?.started_at ?? newest?.queued_at;
  const verb = newest?.started_at ? ASSESSMENT.running : "Waiting to be written";
  return el(
    "p",
    { className: "notice working" },
    el("span", { className: "pulse", attrs: { "aria-hidden": "true" } }),
    shown ? "A new one is on its way. " : "",
    since ? `${verb} since ${clock(since)} (` : verb,
    since && el("time", { dateTime: since, data: { age: since, bare: "1" } }, age(since)),
    since ? "). It appears here by itself; there is no need to wait for it." : ".",
  );
}

/** @param {Assessment} shown */
function content(shown) {
  const { similar } = shown;
  return [
    shown.state && standing(shown.state, similar),
    el(
      "div",
      { className: "cause" },
      el("h3", {}, "Likely cause"),
      shown.likely_cause
        ? statement(shown.likely_cause, similar)
        : el("p", { className: "state-line" }, "Not known: nothing in the session or the past cases points to one."),
      el("p", { className: "confidence", data: { confidence: shown.confidence } }, `Confidence: ${shown.confidence}`),
    ),
    list("Suggested steps", shown.suggested_steps, similar, "ol"),
    list("Do not repeat", shown.do_not_repeat, similar),
    list("What we know", shown.what_we_know, similar),
    el(
      "div",
      {},
      el("h3", {}, "Similar past cases"),
      similar.length
        ? el(
            similar.length > 1 ? "ol" : "ul",
            { className: "plain" },
            similar.map((each) =>
              el("li", {}, elsewhere(each.handoff_id, each.title), el("p", { className: "ticket" }, each.digest)),
            ),
          )
        : el("p", { className: "state-line" }, "No similar case found."),
    ),
    shown.questions.length > 0 &&
      el(
        "div",
        {},
        el("h3", {}, "Open questions"),
        el(
          "ul",
          { className: "plain" },
          shown.questions.map((each) => el("li", { className: "ticket" }, each)),
        ),
      ),
  ].filter(Boolean);
}

// Where the case stands, before everything else: what is solved is read differently.
/** @param {CaseState} state */
function standing(state, similar) {
  return el(
    "p",
    { className: "standing", data: { standing: state.value } },
    el("span", { className: "badge" }, STANDING[state.value]),
    evidence(state.evidence, similar),
  );
}

function list(title, items, similar, tag = "ul") {
  if (!items.length) return null;
  return el(
    "div",
    {},
    el("h3", {}, title),
    el(
      tag,
      { className: "plain" },
      items.map((each) => el("li", {}, statement(each, similar))),
    ),
  );
}

/** @param {Statement} each */
function statement(each, similar) {
  return el(
    "div",
    { className: "statement" },
    el("p", { className: "ticket" }, each.text),
    evidence(each.evidence, similar),
    each.why && each.why !== each.text && el("p", { className: "because ticket" }, each.why),
    each.quote && each.quote !== each.text && el("p", { className: "because ticket" }, el("q", {}, each.quote)),
  );
}

/** @param {Assessment} shown */
function origin(shown) {
  const newer = shown.steps_newer ? `written ${plural(shown.steps_newer, "step")} ago` : "up to date with every step";
  return el(
    "p",
    { className: "origin" },
    [
      `Written ${source(shown.source) ?? ""}`.trim(),
      shown.finished_at && moment(shown.finished_at),
      `version ${shown.generation}`,
    ]
      .filter(Boolean)
      .join(" · "),
    shown.steps_newer ? " " : " · ",
    el("span", { className: shown.steps_newer ? "badge newer" : "" }, newer),
  );
}

/** @param {View} view */
function tools(view) {
  const { handoff } = view;
  const shown = handoff.assessment;
  const may = !["parked", "withdrawn"].includes(handoff.status) && !WAITS.includes(handoff.assessment_state);
  return el(
    "div",
    { className: "tools" },
    shown && feedback(handoff, shown),
    may &&
      el(
        "button",
        { type: "button", data: { key: "again" }, on: { click: (event) => again(event.currentTarget, view) } },
        shown ? "Write it again" : "Try again",
      ),
  );
}

function again(button, { handoff, changed }) {
  return sending([button], async () => {
    await changed(await post(`/handoffs/${handoff.id}/reassess`));
    announce("A new assessment is being written.");
  });
}

/** @param {Handoff} handoff @param {Assessment} shown */
function feedback(handoff, shown) {
  const said = el("p", { className: "said", attrs: { role: "status" } });
  const comment = el("textarea", { name: "comment", rows: 1, maxLength: 2000, id: "feedback-comment" });
  const button = ([rating, text]) =>
    el(
      "button",
      {
        type: "button",
        data: { key: `rate-${rating}` },
        attrs: { "aria-pressed": "false" },
        on: { click: (event) => rate(event.currentTarget, rating) },
      },
      text,
    );
  const form = el(
    "form",
    { className: "feedback", on: { submit: (event) => event.preventDefault() } },
    el(
      "fieldset",
      {},
      el("legend", {}, "Was this right?"),
      el("div", { className: "buttons" }, Object.entries(RATING).map(button)),
      el("label", { htmlFor: "feedback-comment" }, "What was wrong or missing (optional)"),
      comment,
      said,
    ),
  );
  keepDraft(form, `feedback-${handoff.id}-${shown.generation}`);

  function rate(pressed, rating) {
    const given = { rating, comment: comment.value.trim() || null };
    const act = async () => {
      await post(`/handoffs/${handoff.id}/assessments/${shown.generation}/feedback`, given);
      for (const other of form.querySelectorAll("[aria-pressed]"))
        other.setAttribute("aria-pressed", String(other === pressed));
      said.textContent = "Thank you, noted.";
    };
    return sending([], act, (problem) => (said.textContent = problem.message));
  }
  return form;
}
