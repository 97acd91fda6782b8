// What has been tried: the session's steps, with their outcomes.

import { el, refill } from "./dom.js";
import { clock, KIND, moment, OUTCOME } from "./words.js";

/**
 * Fill the section with the steps. A step after the claim is marked as new work.
 * @param {Session} session
 * @param {Handoff} handoff
 */
export function showSteps(section, session, handoff) {
  const key = `${session.steps_count}/${handoff.claimed_at}`;
  if (section.dataset.key === key) return;
  section.dataset.key = key;
  refill(
    section.querySelector(".fill"),
    session.steps.length
      ? el(
          "ol",
          { className: "steps" },
          session.steps.map((step) => item(step, handoff)),
        )
      : el("p", { className: "state-line" }, "Nothing was written down."),
  );
}

/** @param {Step} step @param {Handoff} handoff */
function item(step, handoff) {
  const later = step.added_at > handoff.created_at;
  const outcome =
    step.outcome &&
    el("span", { className: "badge outcome", data: { outcome: step.outcome } }, OUTCOME[step.outcome]);
  return el(
    "li",
    { id: `step-${step.seq}`, className: "step", tabIndex: -1, data: { later: later ? "1" : null } },
    el(
      "p",
      { className: "step-head" },
      el("span", { className: "number" }, `${step.seq}`),
      el("span", { className: "kind" }, KIND[step.kind]),
      outcome,
      el("span", { className: "step-by" }, [step.author, step.at && clock(step.at)].filter(Boolean).join(", ")),
    ),
    el("p", { className: "ticket", title: step.at ? moment(step.at) : "" }, step.text),
  );
}
