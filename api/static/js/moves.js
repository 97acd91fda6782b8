// What the reader does with a handoff: the buttons and forms that the server has put on the page.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { claim } from "./claim.js";
import { closePanels, toggle } from "./dock.js";
import { byId } from "./dom.js";
import { keepDraft } from "./drafts.js";
import { edit } from "./edit.js";
import { showAll } from "./evidence.js";
import { flash, flashLater } from "./flash.js";
import { sending } from "./sending.js";

const article = byId("handoff");
const path = (verb) => `/handoffs/${article.dataset.id}/${verb}`;
const steps = () => `/sessions/${encodeURIComponent(article.dataset.session)}/steps`;
const here = () => `?handoff=${article.dataset.id}`;
const undo = (verb) => ({ path: path(verb), page: location.pathname });
const title = () => byId("heading").textContent;
const value = (form, name) => form.elements[name].value.trim() || null;

/** @type {Record<string, (button: any, changed: () => Promise<void>) => any>} */
const ACTS = {
  take: async (_, changed) => {
    if (await claim({ id: article.dataset.id, session: { title: title() } })) await changed();
  },
  withdraw: async (_, changed) => {
    await post(path("withdraw"));
    await changed();
    flash("Withdrawn.", "info", undo("restore")).focus();
  },
  restore: (_, changed) => move("restore", {}, changed, "It is back as it was."),
  reopen: (_, changed) => move("reopen", {}, changed, "Open again."),
  keep: (_, changed) => move("keep", {}, changed, "Kept: the time starts over."),
  unsnooze: (_, changed) => move("unsnooze", {}, changed, "It waits no longer."),
  escalate: (_, changed) => move("escalate", {}, changed, "It is in the queue now."),
  retract: async (button, changed) => {
    await post(`${steps()}/${button.dataset.seq}/retract${here()}`);
    await changed();
    announce(`Step ${button.dataset.seq} is retracted.`);
  },
  ask: async (button, changed) => {
    const text = button.closest("li").querySelector(".ticket").textContent;
    await post(`${steps()}${here()}`, { kind: "question", text, to_user_id: button.dataset.to });
    await changed();
    announce("Asked.");
  },
  again: (_, changed) => move("reassess", {}, changed, "A new assessment is being written."),
};

// What happens at once, without asking the server.
const HERE = {
  close: closePanels,
  "show-all": showAll,
  copy: (button) => copy(button),
};

/** @type {Record<string, (form: any, changed: () => Promise<void>) => Promise<void>>} */
const FORMS = {
  resolve: async (form, changed) => {
    const sent = { resolution: form.elements.resolution.value, root_cause: value(form, "root_cause") };
    await post(path("resolve"), sent);
    await finish(form, changed, "Resolved.");
    flash("Resolved.", "info", undo("reopen")).focus();
  },
  reassign: async (form, changed) => {
    await post(path("reassign"), { user_id: value(form, "user_id"), reason: value(form, "reason") });
    await finish(form, changed, "Handed on.");
  },
  release: async (form) => {
    await post(path("release"), { reason: value(form, "reason") });
    forget(form);
    flashLater(`“${title()}” is back in the queue.`, "info", undo("claim"));
    location.assign("/queue");
  },
  snooze: async (form, changed) => {
    await post(path("snooze"), {
      until: new Date(value(form, "until")).toISOString(),
      reason: value(form, "reason"),
    });
    await finish(form, changed, "It waits.");
  },
  discard: async () => {
    await post(path("discard"));
    flashLater(`“${title()}” is discarded.`);
    location.assign("/handoffs/new");
  },
  edit: (form, changed) => edit(form, () => finish(form, changed, "Saved.")),
  ask: async (form, changed) => {
    const { text, to_user_id: to } = form.elements;
    await post(`${steps()}${here()}`, { kind: "question", text: text.value, to_user_id: to.value });
    await finish(form, changed, "Asked.");
  },
  answer: async (form, changed) => {
    const answers = Number(form.dataset.seq);
    await post(`${steps()}${here()}`, { kind: "observation", text: form.elements.text.value, answers });
    await finish(form, changed, "Answered.");
  },
  step: async (form, changed) => {
    await addStep(form);
    await finish(form, changed, "Step added.");
    form.elements.text.focus();
  },
  feedback: async (form, changed) => {
    const sent = { rating: form.elements.rating.value, comment: value(form, "comment") };
    await post(path(`assessments/${form.dataset.generation}/feedback`), sent);
    delete form.dataset.keep; // what was given is shown, and the form is not needed now
    const change = form.closest("details");
    if (change) change.open = false;
    forget(form);
    await changed();
    announce("Thank you, noted.");
  },
};

// Send what stands in the form for steps.
export function addStep(form) {
  return post(`${steps()}${here()}`, {
    kind: form.elements.kind.value,
    text: form.elements.text.value,
    outcome: form.elements.outcome.value || null,
  });
}

async function move(verb, body, changed, words) {
  await post(path(verb), body);
  await changed();
  announce(words);
}

async function finish(form, changed, words) {
  forget(form);
  form.reset();
  closePanels();
  await changed();
  announce(words);
}

const drafts = new WeakMap();
const forget = (form) => drafts.get(form)?.();

/**
 * Let the buttons and forms of the page work, also those that come later.
 * @param {HTMLElement} root
 */
export function startMoves(root, { changed }) {
  root.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (!button) return;
    if (button.dataset.opens) toggle(button);
    const { act } = button.dataset;
    if (HERE[act]) HERE[act](button);
    else if (ACTS[act]) sending([button], () => ACTS[act](button, changed));
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = /** @type {Form} */ (event.target);
    if (form.querySelector("button[aria-busy]")) return; // it is on its way
    sending([form.querySelector("button")], () => FORMS[form.dataset.form](form, changed));
  });
  root.addEventListener("keydown", (event) => {
    const form = /** @type {Element} */ (event.target).closest("form");
    if (event.key === "Escape" && form?.matches(".panel-form")) closePanels();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation();
    form?.requestSubmit();
  });
  keepDrafts();
}

// What is half written survives a reload. A correction does not: it would put old words in the place of newer ones.
export function keepDrafts() {
  for (const form of article.querySelectorAll('form[data-form]:not([data-form="edit"])')) {
    if (drafts.has(form)) continue;
    drafts.set(form, keepDraft(form, `${form.id}-${article.dataset.id}`));
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.closest(".block").querySelector("pre").textContent);
  announce("Copied.");
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
