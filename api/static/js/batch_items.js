// The handoffs of a batch: what was written, and how it differs from what was there before.

import { get } from "./api.js";
import { el, refill } from "./dom.js";
import { ITEM, source, why } from "./words.js";

const FIELDS = {
  state: "where it stands",
  summary: "summary",
  what_we_know: "what we know",
  do_not_repeat: "what not to repeat",
  likely_cause: "likely cause",
  suggested_steps: "suggested steps",
  confidence: "confidence",
  similar: "similar cases",
  questions: "questions",
};

// What is folded out below a batch, loaded when it is opened.
export function batchItems(id) {
  const list = el("ul", { className: "items" });
  const more = el("button", { type: "button", hidden: true }, "Show more");
  const only = el("input", { type: "checkbox" });
  const state = el("p", { className: "state-line", attrs: { role: "status" } });
  const fold = el(
    "details",
    { className: "batch-items" },
    el("summary", {}, "Handoffs, before and after"),
    el("label", { className: "inline" }, only, "Only those that changed"),
    list,
    state,
    more,
  );
  let next = null;

  async function load(again) {
    if (again) next = null;
    const query = new URLSearchParams({ changed: only.checked, ...(next && { page: next }) });
    state.textContent = "Loading…";
    try {
      const page = await get(`/batches/${id}/items?${query}`);
      next = page.next_page;
      const rows = page.items.map(item);
      if (again) refill(list, ...rows);
      else list.append(...rows);
      more.hidden = !next;
      state.textContent = list.childElementCount ? "" : "None.";
    } catch (problem) {
      state.textContent = problem.message;
      more.hidden = false;
    }
  }
  fold.addEventListener("toggle", () => fold.open && load(true));
  only.addEventListener("change", () => load(true));
  more.addEventListener("click", () => load(false));
  return fold;
}

/** @param {BatchItem} found */
function item(found) {
  const { session, state, reason, before, after, differs } = found;
  const what =
    differs && (differs.length ? `changed: ${differs.map((name) => FIELDS[name]).join(", ")}` : "unchanged");
  const facts = [session.external_id, ITEM[state], reason && why(reason), what].filter(Boolean).join(" · ");
  return el(
    "li",
    {},
    el("a", { className: "title", href: `/handoffs/${found.handoff_id}` }, session.title),
    el("p", { className: "facts" }, facts),
    differs?.length > 0 && el("div", { className: "compared" }, version("Before", before), version("After", after)),
  );
}

/** @param {Assessment} assessment */
const version = (name, assessment) =>
  el(
    "div",
    {},
    el("p", { className: "facts" }, `${name}, ${source(assessment.source)}`),
    el("p", { className: "ticket" }, assessment.summary),
    assessment.likely_cause && el("p", { className: "ticket" }, `Likely cause: ${assessment.likely_cause.text}`),
  );
