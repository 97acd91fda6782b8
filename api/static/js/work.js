// The session view: add a step, give it back, hand it on, resolve it.

import { announce } from "./announce.js";
import { get, me, post } from "./api.js";
import { el, refill, say } from "./dom.js";
import { keepDraft } from "./drafts.js";
import { flashLater } from "./flash.js";
import { sending } from "./sending.js";
import { clock, KIND, OUTCOME } from "./words.js";

// What is chosen at first is chosen again after a reset of the form.
const option = (value, text, chosen) => el("option", { value, defaultSelected: value === chosen }, text);

// The form below the steps. It is made once, so that live changes do not touch what is being typed.
export function showAddStep(section, { handoff, changed, shown }) {
  section.hidden = !shown;
  if (!shown || section.dataset.made) return;
  section.dataset.made = "1";
  const form = el(
    "form",
    { className: "stack" },
    el("label", { htmlFor: "step-text" }, "What you did or saw"),
    el("textarea", { id: "step-text", name: "text", rows: 3, required: true, maxLength: 8000 }),
    el(
      "div",
      { className: "row" },
      field(
        "step-kind",
        "Kind",
        el(
          "select",
          { id: "step-kind", name: "kind" },
          Object.entries(KIND).map(([value, text]) => option(value, text, "action")),
        ),
      ),
      field(
        "step-outcome",
        "Outcome",
        el(
          "select",
          { id: "step-outcome", name: "outcome" },
          option("", "Not known"),
          Object.entries(OUTCOME).map(([value, text]) => option(value, text)),
        ),
      ),
      el("button", { className: "primary" }, "Add step"),
    ),
  );
  const forget = keepDraft(form, `step-${handoff.id}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text, kind, outcome } = form.elements;
    sending([form.querySelector("button")], async () => {
      await post(`/sessions/${encodeURIComponent(handoff.session.external_id)}/steps`, {
        kind: kind.value,
        text: text.value,
        outcome: outcome.value || null,
      });
      form.reset();
      forget();
      await changed();
      announce("Step added.");
      text.focus();
    });
  });
  refill(section.querySelector(".fill"), form);
}

const field = (id, text, control) => el("div", {}, el("label", { htmlFor: id }, text), control);

// The moves of the one who has it.
export function showWork(section, { handoff, changed }) {
  const key = `work ${handoff.claimed_by.id}`;
  if (section.dataset.key === key) return;
  section.dataset.key = key;
  say(section.querySelector("h2"), "Your move");
  const whose = handoff.claimed_by.id === me.id ? "You have it" : `${handoff.claimed_by.name} has it`;
  refill(
    section.querySelector(".fill"),
    el("p", { className: "state-line" }, `${whose} since ${clock(handoff.claimed_at)}.`),
    fold("Resolve", resolveForm(handoff, changed)),
    fold("Give it to somebody else", reassignForm(handoff, changed)),
    fold("Put it back into the queue", releaseForm(handoff)),
  );
}

const fold = (title, form) => el("details", {}, el("summary", {}, title), form);

/** @param {Handoff} handoff */
function resolveForm(handoff, changed) {
  const form = el(
    "form",
    { className: "stack" },
    el("label", { htmlFor: "resolution" }, "What fixed it"),
    el("textarea", {
      id: "resolution",
      name: "resolution",
      rows: 3,
      required: true,
      maxLength: 20000,
      attrs: { "aria-describedby": "resolution-hint" },
    }),
    el(
      "p",
      { className: "hint", id: "resolution-hint" },
      "Later assessments may cite it, so write it for a colleague.",
    ),
    el("label", { htmlFor: "root-cause" }, "Root cause (optional)"),
    el("input", { id: "root-cause", name: "root_cause", maxLength: 2000 }),
    el("button", { className: "primary" }, "Resolve"),
  );
  const forget = keepDraft(form, `resolve-${handoff.id}`);
  return submits(form, async () => {
    const { resolution, root_cause: cause } = form.elements;
    const done = await post(`/handoffs/${handoff.id}/resolve`, {
      resolution: resolution.value,
      root_cause: cause.value || null,
    });
    forget();
    await changed(done);
    announce("Resolved.");
  });
}

/** @param {Handoff} handoff */
function reassignForm(handoff, changed) {
  const select = el("select", { id: "reassign-to", name: "user_id", required: true }, option("", "Choose somebody"));
  people().then((all) => {
    for (const person of all)
      if (person.id !== handoff.claimed_by.id && person.id !== handoff.handed_off_by.id && person.role !== "viewer")
        select.append(option(person.id, person.name));
  });
  const form = el(
    "form",
    { className: "stack" },
    el("label", { htmlFor: "reassign-to" }, "To whom"),
    select,
    el("label", { htmlFor: "reassign-reason" }, "Why (optional)"),
    el("input", { id: "reassign-reason", name: "reason", maxLength: 2000 }),
    el("button", {}, "Hand it on"),
  );
  return submits(form, async () => {
    await changed(
      await post(`/handoffs/${handoff.id}/reassign`, {
        user_id: select.value,
        reason: form.elements.reason.value || null,
      }),
    );
    announce("Handed on.");
  });
}

/** @param {Handoff} handoff */
function releaseForm(handoff) {
  const form = el(
    "form",
    { className: "stack" },
    el("label", { htmlFor: "release-reason" }, "Why (optional)"),
    el("input", { id: "release-reason", name: "reason", maxLength: 2000 }),
    el("button", {}, "Put it back"),
  );
  return submits(form, async () => {
    await post(`/handoffs/${handoff.id}/release`, { reason: form.elements.reason.value || null });
    flashLater(`“${handoff.session.title}” is back in the queue.`);
    location.assign("/queue");
  });
}

// The people of the account who may take work; an empty list when they cannot be read.
export async function people() {
  const answer = await get("/people").catch(() => null);
  return answer?.items ?? [];
}

function submits(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sending([form.querySelector("button")], act);
  });
  return form;
}
