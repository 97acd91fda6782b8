// Figures beside the waits: what is open now, the same times by person, client or priority, and the ratings.

import { get } from "./api.js";
import { el, refill } from "./dom.js";
import { duration, listOf, table, tablePanel } from "./figures.js";
import { age, PRIORITY, plural, RATING, source } from "./words.js";

const BY = { claimer: "Taken by", author: "Handed off by", client: "Client", priority: "Priority" };
// How the list of handoffs is narrowed to one value.
const QUERY = {
  claimer: (value) => ({ claimed_by: value }),
  author: (value) => ({ handed_off_by: value }),
  client: (value) => ({ q: `"${value.replaceAll('"', " ")}"` }),
  priority: (value) => ({ priority: value }),
};

export async function openNow() {
  const { items } = await get("/analytics/now");
  const waiting = items.reduce((sum, item) => sum + item.waiting, 0);
  const rows = items.map((item) => [
    PRIORITY[item.priority],
    item.waiting,
    item.waiting_since ? age(item.waiting_since) : "–",
    item.claimed,
    item.without_action,
  ]);
  return tablePanel(
    "Waiting now",
    table("Waiting now", ["Priority", "In the queue", "Longest", "In work", "Without action"], rows),
    el(
      "p",
      {},
      el("a", { href: "/queue?view=waiting" }, waiting ? `${plural(waiting, "handoff")} waiting` : "Nobody waits"),
    ),
  );
}

export async function ratings(period) {
  const { items } = await get(`/analytics/ratings?period=${period}`);
  if (!items.length)
    return tablePanel("Ratings of assessments", el("p", { className: "state-line" }, "Nobody rated one."));
  const rows = items.map((item) => [
    source(item.source) ?? "–",
    item.helpful,
    item.incomplete,
    item.wrong,
    `${Math.round((100 * item.helpful) / (item.helpful + item.incomplete + item.wrong))} %`,
  ]);
  const heads = ["Assessment", RATING.helpful, RATING.incomplete, RATING.wrong, "Share helpful"];
  return tablePanel("Ratings of assessments", table("Ratings of assessments", heads, rows));
}

/**
 * The same times for each value of an attribute, which is chosen here and stands in the address.
 * @param {string} period
 * @param {string} since
 */
export async function breakdown(period, since) {
  const address = new URL(location.href);
  const asked = address.searchParams.get("by");
  const select = el(
    "select",
    { id: "by" },
    Object.entries(BY).map(([value, text]) => el("option", { value, selected: value === asked }, text)),
  );
  const box = el("div");
  const show = async () => refill(box, await breakdownTable(period, select.value, since));
  select.addEventListener("change", () => {
    address.searchParams.set("by", select.value);
    history.replaceState(null, "", address);
    return show();
  });
  await show();
  return tablePanel(
    "Split",
    box,
    el("div", { className: "row" }, el("div", {}, el("label", { htmlFor: "by" }, "By"), select)),
  );
}

async function breakdownTable(period, by, since) {
  const { items } = await get(`/analytics/breakdown?period=${period}&by=${by}`);
  const rows = items.map((item) => [
    item.value === null
      ? "–"
      : el(
          "a",
          { href: listOf({ ...QUERY[by](item.value), since }) },
          by === "priority" ? PRIORITY[item.value] : item.name,
        ),
    item.n_handoffs,
    duration(item.time_to_ready.p50),
    duration(item.time_to_claim.p50),
    duration(item.time_to_claim.p95),
    duration(item.time_to_first_action.p50),
  ]);
  return table(
    `By ${BY[by].toLowerCase()}`,
    [BY[by], "Handoffs", "Ready p50", "Claim p50", "Claim p95", "Action p50"],
    rows,
  );
}
