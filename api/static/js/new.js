// The junior's form: hand a session off, or park it.

import { get, me, post } from "./api.js";
import { people } from "./colleagues.js";
import { showConnection } from "./connection.js";
import { byId, el } from "./dom.js";
import { draftKey } from "./drafts.js";
import { follow } from "./feed.js";
import { flash, showFlash } from "./flash.js";
import { clearErrors, explainIn, showErrors } from "./form_errors.js";
import { showHandedOff } from "./handed_off.js";
import { sending } from "./sending.js";
import { addStep, clearSteps, filledRows, followSteps, read, textOf } from "./step_rows.js";

const form = /** @type {Form} */ (byId("intake"));
const box = byId("errors");
const DRAFT = draftKey("intake");
const FIELDS = [
  "external_id",
  "title",
  "problem",
  "client",
  "asset",
  "category",
  "reason",
  "ask",
  "priority",
  "target_user_id",
];
const OPTIONAL = ["client", "asset", "category"];

let key = newKey(); // one per handoff, so that a repeated click hands off once

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

// What is half written survives a reload and a new sign-in, in this tab.
function keep() {
  const values = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  sessionStorage.setItem(DRAFT, JSON.stringify({ values, steps: filledRows().map(read), key }));
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  for (const [name, value] of Object.entries(kept?.values ?? {})) form.elements[name].value = value;
  for (const step of kept?.steps ?? []) addStep(step);
  if (kept) key = kept.key;
  if (!kept?.steps.length) addStep();
  return kept?.values.target_user_id;
}

function body(intent) {
  const value = (name) => form.elements[name].value.trim();
  const session = {
    external_id: value("external_id"),
    title: value("title"),
    problem: value("problem"),
    steps: filledRows().map(read),
  };
  for (const name of OPTIONAL) if (value(name)) session[name] = value(name);
  return {
    intent,
    session,
    reason: value("reason"),
    ask: value("ask") || null,
    priority: value("priority"),
    target_user_id: value("target_user_id") || null,
  };
}

async function send(intent, buttons) {
  clearErrors(form, box);
  const missing = ["external_id", "title", "reason"].filter((name) => !form.elements[name].value.trim());
  if (missing.length)
    return showErrors(
      form,
      missing.map((name) => [name, "is needed"]),
      places,
    );
  const act = async () =>
    done(await post("/handoffs", body(intent), { headers: { "Idempotency-Key": key } }), intent);
  await sending(buttons, act, explain);
}

function done(made, intent) {
  form.reset();
  clearSteps();
  sessionStorage.removeItem(DRAFT);
  key = newKey();
  const text =
    intent === "park"
      ? `“${made.session.title}” is parked.`
      : `“${made.session.title}” is in the queue. The assessment is being written.`;
  flash(text).focus();
  showHandedOff();
}

function explain(problem) {
  if (problem.code === "already_open") {
    box.replaceChildren(
      el("p", {}, "This session is handed off already. "),
      el("a", { href: `/handoffs/${problem.facts.handoff_id}` }, "See it"),
    );
    box.hidden = false;
    box.focus();
    return;
  }
  // The same key must not meet another text.
  if (problem.code === "idempotency_mismatch") key = newKey();
  explainIn(form, places)(problem);
}

// The control in which the value at this path was typed, if there is one.
function controlAt(path) {
  const [, list, index] = path;
  if (list === "steps") return filledRows()[index] && textOf(filledRows()[index]);
  return form.elements[path.at(-1)];
}

const places = { box, controlAt };
const buttons = form.querySelectorAll("button[name=intent]");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // Ctrl+Enter (keys.js) names no button.
  send(/** @type {HTMLButtonElement} */ (event.submitter)?.value ?? "escalate", buttons);
});
// Enter in a line sends nothing.
form.addEventListener("keydown", (event) => {
  const isLine = /** @type {Element} */ (event.target).matches("input");
  if (event.key === "Enter" && isLine && !event.ctrlKey && !event.metaKey) event.preventDefault();
});
form.addEventListener("input", keep);
followSteps(keep);

const chosen = restore();
people().then((all) => {
  const select = form.elements.target_user_id;
  for (const person of all)
    if (person.id !== me.id)
      select.append(el("option", { value: person.id, selected: person.id === chosen }, person.name));
});
showFlash();
// The lists follow the feed, as the queue does.
follow({
  async load() {
    const { cursor } = await get("/feed?cursor=now");
    await showHandedOff();
    return cursor;
  },
  onEvents: (events) => events.some((event) => event.handoff.handed_off_by.id === me.id) && showHandedOff(),
  onState: showConnection,
});
