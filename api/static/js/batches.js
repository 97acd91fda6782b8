// Batches: a dry run first, then a bar that moves; pause, resume, cancel.

import { announce } from "./announce.js";
import { get, post } from "./api.js";
import { batchItems } from "./batch_items.js";
import { confirmed } from "./confirm.js";
import { byId, el, refill, say } from "./dom.js";
import { clearErrors, explainIn } from "./form_errors.js";
import { sending } from "./sending.js";
import { BATCH, moment, PRIORITY, plural, RATING, STATUS, span } from "./words.js";

const BUSY_MS = 1500;
const QUIET_MS = 15000;
const RETRY_MS = 5000;

const form = /** @type {Form} */ (byId("start"));
const box = byId("errors");
const rows = new Map(); // id → the nodes of a batch
let timer = null;
let checked = null; // the body of the last dry run

function wanted() {
  const value = (name) => form.elements[name].value.trim();
  const filter = {};
  for (const name of ["status", "priority"]) if (value(name)) filter[name] = [value(name)];
  for (const name of ["category", "rated"]) if (value(name)) filter[name] = value(name);
  for (const name of ["since", "until"])
    if (value(name)) filter[name] = new Date(`${value(name)}T00:00`).toISOString();
  if (form.elements.without_assessment.checked) filter.without_assessment = true;
  const body = { kind: "reassess", filter };
  if (value("note")) body.note = value("note");
  if (value("cost_ceiling")) body.cost_ceiling = value("cost_ceiling");
  return body;
}

function dryRun() {
  clearErrors(form, box);
  const body = wanted();
  const act = async () => {
    const found = await post("/batches", { ...body, dry_run: true });
    checked = body;
    showEstimate(found);
  };
  return sending([byId("dry")], act, explainIn(form, { box, controlAt }));
}

// The filter's lists have their values one below their names.
const controlAt = (path) => form.elements[path.findLast((name) => form.elements[name])];

function showEstimate(found) {
  const box = byId("estimate");
  box.replaceChildren(
    el(
      "p",
      {},
      el("strong", {}, plural(found.count, "handoff")),
      ` would be assessed again, with about ${found.expected_tokens.toLocaleString()} tokens,`,
      ` costing about ${found.expected_cost.toFixed(2)}.`,
    ),
    found.count > 0
      ? el(
          "button",
          { type: "button", className: "primary", on: { click: (event) => begin(event.currentTarget) } },
          `Start with ${plural(found.count, "handoff")}`,
        )
      : "",
  );
  box.hidden = false;
  byId("dry").classList.remove("primary");
  box.focus();
}

function forgetEstimate() {
  checked = null;
  byId("estimate").hidden = true;
  byId("dry").classList.add("primary");
}

function begin(button) {
  return sending([button], async () => {
    await post("/batches", checked);
    forgetEstimate();
    form.reset();
    announce("The batch has started.");
    byId("heading").focus();
    await show();
  });
}

async function show() {
  clearTimeout(timer);
  let wait = RETRY_MS;
  try {
    const { items } = await get("/batches?limit=50");
    draw(items);
    wait =
      items.some((batch) => ["queued", "running"].includes(batch.state)) && !document.hidden ? BUSY_MS : QUIET_MS;
  } catch (problem) {
    wait = Math.max(RETRY_MS, (problem.retryAfter ?? 0) * 1000);
    if (!rows.size)
      refill(
        byId("batches"),
        el("p", { className: "state" }, "The batches cannot be loaded. This page tries again by itself."),
      );
  }
  timer = setTimeout(show, wait);
}

function draw(items) {
  const box = byId("batches");
  box.removeAttribute("aria-busy");
  if (!items.length) {
    box.replaceChildren(el("p", { className: "state" }, "No batch has been started yet."));
    return;
  }
  for (const batch of items) {
    if (!rows.has(batch.id)) rows.set(batch.id, makeRow(batch));
    writeRow(rows.get(batch.id), batch);
  }
  const nodes = items.map((batch) => rows.get(batch.id).node);
  if (nodes.some((node, index) => box.children[index] !== node) || box.childElementCount !== nodes.length)
    box.replaceChildren(...nodes);
}

/** @param {Batch} batch */
function makeRow(batch) {
  const heading = `b-${batch.id}`;
  const act = (verb, text) =>
    el(
      "button",
      {
        type: "button",
        data: { verb },
        attrs: { "aria-describedby": heading },
        on: { click: (event) => move(event.currentTarget, batch.id, verb) },
      },
      text,
    );
  const parts = {
    title: el("h3", { id: heading }),
    state: el("span", { className: "badge" }),
    about: el("p", { className: "facts" }),
    bar: el("progress", { attrs: { "aria-labelledby": heading } }),
    counts: el("p", { className: "facts" }),
    pace: el("p", { className: "facts" }),
    pause: act("pause", "Pause"),
    resume: act("resume", "Resume"),
    cancel: el(
      "button",
      {
        type: "button",
        attrs: { "aria-describedby": heading },
        on: { click: (event) => cancel(event.currentTarget, batch.id) },
      },
      "Cancel",
    ),
  };
  parts.cancel.classList.add("danger");
  const node = el(
    "article",
    { className: "card-like batch", data: { id: batch.id } },
    el("div", { className: "line" }, parts.title, parts.state),
    parts.about,
    parts.bar,
    parts.counts,
    parts.pace,
    el("div", { className: "buttons" }, parts.pause, parts.resume, parts.cancel),
    batchItems(batch.id),
  );
  return { node, parts, batch };
}

/**
 * @param {{ node: HTMLElement, parts: Record<string, any>, batch: Batch }} row
 * @param {Batch} batch
 */
function writeRow(row, batch) {
  const { node, parts } = row;
  row.batch = batch;
  node.dataset.state = batch.state;
  say(parts.title, batch.note || "Assess again");
  const by = batch.started_by ? batch.started_by.name : "the command line";
  say(parts.about, `${inWords(batch.filter)} · started ${moment(batch.created_at)} by ${by}`);
  say(parts.state, BATCH[batch.state] + (batch.paused_reason ? `: ${batch.paused_reason.replaceAll("_", " ")}` : ""));
  parts.bar.max = Math.max(1, batch.total);
  parts.bar.value = batch.total ? batch.done : 1;
  say(parts.counts, counts(batch));
  say(parts.pace, pace(batch));
  parts.pause.hidden = !["queued", "running"].includes(batch.state);
  parts.resume.hidden = batch.state !== "paused";
  parts.cancel.hidden = !["queued", "running", "paused"].includes(batch.state);
}

// The filter of a batch as people say it.
function inWords(filter) {
  const list = (values, labels) =>
    [values]
      .flat()
      .map((value) => labels[value])
      .join(" or ");
  const day = (time) => new Date(time).toLocaleDateString([], { dateStyle: "medium" });
  const parts = {
    status: (values) => list(values, STATUS),
    priority: (values) => list(values, PRIORITY),
    category: (value) => `category ${value}`,
    since: (time) => `from ${day(time)}`,
    until: (time) => `before ${day(time)}`,
    rated: (value) => `rated ${RATING[value].toLowerCase()}`,
    without_assessment: (value) => value && "without a good assessment",
    limit: (count) => `the newest ${count}`,
  };
  const parts_in_words = Object.entries(filter).map(([name, value]) =>
    name in parts ? parts[name](value) : `${name.replaceAll("_", " ")}: ${value}`,
  );
  return parts_in_words.filter(Boolean).join(", ") || "All handoffs";
}

/** @param {Batch} batch */
function counts(batch) {
  const part = (count, text) => count > 0 && `${count} ${text}`;
  return [
    `${batch.done} of ${batch.total} done`,
    part(batch.fallback, "without AI"),
    part(batch.failed, "failed"),
    part(batch.skipped, "skipped"),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {Batch} batch */
function pace(batch) {
  const rate = batch.rate && `${batch.rate} a second`;
  const eta = batch.state === "running" && batch.eta_seconds !== null && `about ${span(batch.eta_seconds)} to go`;
  const cost =
    batch.cost > 0 &&
    `cost ${batch.cost.toFixed(2)}${batch.cost_ceiling ? ` of at most ${batch.cost_ceiling.toFixed(2)}` : ""}`;
  return [rate, eta, cost].filter(Boolean).join(" · ");
}

function move(button, id, verb) {
  return sending([button], async () => {
    writeRow(rows.get(id), await post(`/batches/${id}/${verb}`));
    announce(`Batch: ${verb} done.`);
    if (button.hidden) byId("heading").focus();
    await show();
  });
}

async function cancel(button, id) {
  const { done, in_flight: running, total } = rows.get(id).batch;
  const left = total - done - running;
  const text = `${running ? `What is being written, ${running}, is still finished and counted. ` : ""}What was written stays. ${plural(left, "handoff")} will not be assessed again.`;
  if (await confirmed("Cancel this batch?", text, "Cancel the batch", "Let it run")) await move(button, id, "cancel");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  dryRun();
});
// What was checked is not what would start any more.
form.addEventListener("input", forgetEstimate);
document.addEventListener("visibilitychange", () => !document.hidden && show());
show();
