// The junior's form: hand a session off, or park it; and what one handed off before.

import { announce } from "./announce.js";
import { get, me, post } from "./api.js";
import { showConnection } from "./connection.js";
import { byId, el, refill } from "./dom.js";
import { draftKey } from "./drafts.js";
import { follow } from "./feed.js";
import { flash, showFlash } from "./flash.js";
import { people } from "./people.js";
import { sending, show } from "./sending.js";
import { ago, KIND, OUTCOME, PRIORITY, returns, STATUS } from "./words.js";

const form = /** @type {Form} */ (byId("intake"));
const steps = byId("steps");
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

function addStep(kept = {}) {
  const number = steps.childElementCount + 1;
  const id = newKey().slice(0, 8);
  const options = (all, chosen, none) =>
    [
      none && el("option", { value: "" }, none),
      ...Object.entries(all).map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
    ].filter(Boolean);
  const row = el(
    "li",
    {},
    el(
      "div",
      { className: "grow" },
      el("label", { htmlFor: `t-${id}` }, "What"),
      el("textarea", { id: `t-${id}`, className: "text", rows: 2, maxLength: 8000, value: kept.text ?? "" }),
    ),
    el(
      "div",
      {},
      el("label", { htmlFor: `k-${id}` }, "Kind"),
      el("select", { id: `k-${id}`, className: "kind-of" }, options(KIND, kept.kind ?? "action")),
    ),
    el(
      "div",
      {},
      el("label", { htmlFor: `o-${id}` }, "Outcome"),
      el("select", { id: `o-${id}`, className: "outcome-of" }, options(OUTCOME, kept.outcome, "Not known")),
    ),
    el(
      "button",
      {
        type: "button",
        className: "quiet",
        attrs: { "aria-label": `Remove step ${number}` },
        on: { click: () => removeStep(row) },
      },
      "Remove",
    ),
  );
  steps.append(row);
  return row;
}

function removeStep(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  for (const [index, each] of [...steps.children].entries())
    each.querySelector("button").setAttribute("aria-label", `Remove step ${index + 1}`);
  (next?.querySelector("textarea") ?? byId("more")).focus();
  keep();
}

function readSteps() {
  return [...steps.children]
    .map((row) => ({
      kind: row.querySelector(".kind-of").value,
      text: row.querySelector(".text").value.trim(),
      outcome: row.querySelector(".outcome-of").value || null,
    }))
    .filter((step) => step.text);
}

// What is half written survives a reload and a new sign-in, in this tab.
function keep() {
  const values = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  sessionStorage.setItem(DRAFT, JSON.stringify({ values, steps: readSteps(), key }));
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  for (const [name, value] of Object.entries(kept?.values ?? {})) form.elements[name].value = value;
  for (const step of kept?.steps ?? []) addStep(step);
  if (kept) key = kept.key;
  if (!steps.childElementCount) addStep();
  return kept?.values.target_user_id;
}

function body(intent) {
  const value = (name) => form.elements[name].value.trim();
  const session = {
    external_id: value("external_id"),
    title: value("title"),
    problem: value("problem"),
    steps: readSteps(),
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
  clearErrors();
  const missing = ["external_id", "title", "reason"].filter((name) => !form.elements[name].value.trim());
  if (missing.length) return showErrors(missing.map((name) => [name, "is needed"]));
  const act = async () =>
    done(await post("/handoffs", body(intent), { headers: { "Idempotency-Key": key } }), intent);
  await sending(buttons, act, explain);
}

function done(made, intent) {
  form.reset();
  steps.replaceChildren();
  addStep();
  sessionStorage.removeItem(DRAFT);
  key = newKey();
  const text =
    intent === "park"
      ? `“${made.session.title}” is parked.`
      : `“${made.session.title}” is in the queue. The assessment is being written.`;
  flash(text).focus();
  showLists();
}

function explain(problem) {
  if (problem.code === "already_open") {
    const box = byId("errors");
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
  const errors = problem.status === 422 ? flatten(problem.facts.errors?.json ?? {}) : [];
  if (errors.length) showErrors(errors);
  else show(problem);
}

function flatten(errors, name = "") {
  if (Array.isArray(errors)) return [[name, errors.join(" ")]];
  return Object.entries(errors).flatMap(([inner, value]) => flatten(value, inner));
}

function showErrors(errors) {
  const items = errors.map(([name, text]) => {
    const control = form.elements[name];
    const label = control?.labels?.[0]?.textContent ?? name;
    control?.setAttribute?.("aria-invalid", "true");
    return el(
      "li",
      {},
      control
        ? el(
            "a",
            {
              href: `#${name}`,
              on: {
                click: (event) => {
                  event.preventDefault();
                  control.focus();
                },
              },
            },
            label,
          )
        : label,
      `: ${text}`,
    );
  });
  const box = byId("errors");
  box.replaceChildren(el("p", {}, "Please look at these fields:"), el("ul", {}, ...items));
  box.hidden = false;
  box.focus();
}

function clearErrors() {
  byId("errors").hidden = true;
  for (const node of form.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
}

async function showLists() {
  try {
    const mine = `handed_off_by=${me.id}`;
    const [parked, sent] = await Promise.all([
      get(`/handoffs?status=parked&${mine}&limit=50`),
      get(`/handoffs?status=pending&status=ready&status=claimed&status=resolved&status=withdrawn&${mine}&limit=20`),
    ]);
    refill(byId("parked"), list(parked.items, "Nothing is parked.", true));
    refill(byId("mine"), list(sent.items, "You have not handed anything off yet."));
  } catch {
    for (const id of ["parked", "mine"])
      refill(
        byId(id),
        el("p", { className: "state-line" }, "This list cannot be loaded. "),
        el("button", { type: "button", on: { click: showLists } }, "Try again"),
      );
  }
}

const whose = (item) => item.claimed_by && `${item.status === "resolved" ? "by" : "with"} ${item.claimed_by.name}`;

/** @param {Handoff[]} items */
function list(items, empty, parked = false) {
  if (!items.length) return el("p", { className: "state-line" }, empty);
  return el(
    "ul",
    {},
    items.map((item) =>
      el(
        "li",
        {},
        el(
          "div",
          { className: "grow" },
          el("a", { href: `/handoffs/${item.id}`, className: "title", data: { key: item.id } }, item.session.title),
          el(
            "p",
            { className: "facts" },
            [
              item.session.external_id,
              STATUS[item.status],
              whose(item),
              item.priority !== "normal" && PRIORITY[item.priority],
              returns(item.returns),
              ago(item.created_at),
            ]
              .filter(Boolean)
              .join(" · "),
          ),
        ),
        parked &&
          el(
            "button",
            {
              type: "button",
              data: { key: `escalate-${item.id}` },
              attrs: { "aria-label": `Escalate ${item.session.title}` },
              on: { click: (event) => escalate(event.currentTarget, item) },
            },
            "Escalate",
          ),
      ),
    ),
  );
}

function escalate(button, item) {
  return sending([button], async () => {
    await post(`/handoffs/${item.id}/escalate`);
    announce(`${item.session.title} is in the queue.`);
    await showLists();
    byId("heading").focus();
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(
    /** @type {HTMLButtonElement} */ (event.submitter)?.value ?? "escalate",
    form.querySelectorAll("button[name=intent]"),
  );
});
form.addEventListener("input", keep);
byId("more").addEventListener("click", () => addStep().querySelector("textarea").focus());

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
    await showLists();
    return cursor;
  },
  onEvents: (events) => events.some((event) => event.handoff.handed_off_by.id === me.id) && showLists(),
  onState: showConnection,
});
