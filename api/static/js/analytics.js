// How long handoffs wait: plots, the same numbers as tables, and a CSV.

import { announce } from "./announce.js";
import { get } from "./api.js";
import { barPlot, waitingPlot } from "./charts.js";
import { byId, el } from "./dom.js";
import { ASSESSMENT, STATUS, span } from "./words.js";

const TIMES = {
  time_to_ready: "Time to ready",
  time_to_claim: "Time to claim",
  time_to_first_action: "Time to first action",
};
const COUNTS = { n_handoffs: "Handoffs", n_ready: STATUS.ready, n_claimed: "Claimed", n_with_action: "With action" };
const STATES = { ...ASSESSMENT, none: "Not assessed" };

const report = byId("report");
const period = byId("period");
let shown = null;

const said = (seconds) => (seconds === null ? "–" : seconds < 10 ? `${seconds.toFixed(1)} s` : span(seconds));
const whole = (seconds) => said(seconds).replaceAll(" ", "\u00a0");
const chosen = () => period.querySelector(":checked").value;

async function load() {
  const asked = chosen();
  report.setAttribute("aria-busy", "true");
  try {
    const found = await get(`/analytics/escalations?period=${asked}`);
    if (asked !== chosen()) return;
    shown = found;
    draw(found);
    announce(`Figures of the last ${asked.replace("d", " days")}.`);
  } catch (problem) {
    if (asked !== chosen()) return;
    report.replaceChildren(
      el(
        "div",
        { className: "state" },
        el("p", { className: "state-title" }, "The figures cannot be loaded"),
        el("p", {}, problem.message),
        el("p", {}, el("button", { type: "button", on: { click: load } }, "Try again")),
      ),
    );
  }
  report.removeAttribute("aria-busy");
  /** @type {HTMLButtonElement} */ (byId("csv")).disabled = !shown;
}

function draw(found) {
  if (!found.n_handoffs) {
    report.replaceChildren(
      el(
        "div",
        { className: "state" },
        el("p", { className: "state-title" }, "Nothing was handed off"),
        el("p", {}, "There is nothing to measure in this period."),
      ),
    );
    return;
  }
  const days = found.by_day.map((day) => day.day);
  report.replaceChildren(
    totals(found),
    el(
      "div",
      { className: "plots" },
      ...Object.entries(TIMES).map(([name, title]) => waiting(title, name, found, days)),
      volume(found, days),
      byState(found),
      el(
        "section",
        { className: "panel definition", attrs: { "aria-labelledby": "h-definition" } },
        el("h2", { id: "h-definition" }, "What is measured"),
        definitions(),
      ),
    ),
  );
}

const MEANINGS = {
  "Time to ready": "From the handoff, or from its escalation if it was parked first, until its assessment is there.",
  "Time to claim":
    "From the same moment until somebody takes it. After a release or a reassignment the present claim counts.",
  "Time to first action": "From the claim until the one who took it adds a step.",
};

function definitions() {
  return [
    el(
      "dl",
      {},
      Object.entries(MEANINGS).map(([name, meaning]) => el("div", {}, el("dt", {}, name), el("dd", {}, meaning))),
    ),
    el(
      "p",
      {},
      "A handoff counts on the day, in UTC, on which its wait began. Half of the waits are shorter than the median",
      " (p50), 95 of 100 are shorter than p95. What has not happened yet counts in none of the times, and imported",
      " history only in the volume.",
    ),
  ];
}

function totals(found) {
  const times = Object.entries(TIMES).map(([name, title]) =>
    el(
      "div",
      {},
      el("dt", {}, `${title}, median`),
      el(
        "dd",
        {},
        said(found[name].p50),
        el("small", {}, `p95 ${whole(found[name].p95)} · mean ${whole(found[name].avg)}`),
      ),
    ),
  );
  const counts = el(
    "div",
    {},
    el("dt", {}, "Handoffs"),
    el(
      "dd",
      {},
      String(found.n_handoffs),
      el("small", {}, `${found.n_ready} ready · ${found.n_claimed} claimed · ${found.n_with_action} with action`),
    ),
  );
  return el("dl", { className: "totals" }, counts, ...times);
}

function panel(title, plot, table, ...more) {
  const id = `h-${title.toLowerCase().replaceAll(" ", "-")}`;
  return el(
    "section",
    { className: "panel plot", attrs: { "aria-labelledby": id } },
    el("h2", { id }, title),
    ...more,
    plot,
    el(
      "details",
      {},
      el("summary", {}, "As a table"),
      el(
        "div",
        { className: "scroll", tabIndex: 0, attrs: { role: "region", "aria-label": `${title} as a table` } },
        table,
      ),
    ),
  );
}

function waiting(title, name, found, days) {
  const legend = el(
    "p",
    { className: "legend", attrs: { "aria-hidden": "true" } },
    el("span", {}, "Median (p50)"),
    el("span", { className: "of-p95" }, "p95"),
  );
  const rows = found.by_day.map((day) => [day.day, said(day[name].p50), said(day[name].p95), said(day[name].avg)]);
  return panel(
    title,
    waitingPlot(
      `${title} by day, p50 and p95. The table below has the numbers.`,
      days,
      (index) => found.by_day[index][name],
    ),
    table(title, ["Day", "p50", "p95", "Mean"], rows),
    legend,
  );
}

function volume(found, days) {
  const rows = found.by_day.map((day) => [day.day, ...Object.keys(COUNTS).map((name) => day[name])]);
  return panel(
    "Volume",
    barPlot(
      "Handoffs by day. The table below has the numbers.",
      days,
      found.by_day.map((day) => day.n_handoffs),
    ),
    table("Volume by day", ["Day", ...Object.values(COUNTS)], rows),
  );
}

function byState(found) {
  const order = Object.keys(STATES);
  const states = found.by_assessment_state.toSorted(
    (one, other) => order.indexOf(one.assessment_state) - order.indexOf(other.assessment_state),
  );
  const rows = states.map((each) => [
    STATES[each.assessment_state] ?? each.assessment_state,
    each.n_handoffs,
    ...Object.keys(TIMES).flatMap((name) => [said(each[name].p50), said(each[name].p95)]),
  ]);
  const heads = ["Assessment", "Handoffs", "Ready p50", "p95", "Claim p50", "p95", "Action p50", "p95"];
  return panel(
    "By assessment",
    barPlot(
      "Handoffs by what became of their assessment. The table below has the numbers.",
      states.map((each) => STATES[each.assessment_state] ?? each.assessment_state),
      states.map((each) => each.n_handoffs),
      (name) => name,
    ),
    table("By assessment", heads, rows),
  );
}

function table(title, heads, rows) {
  return el(
    "table",
    {},
    el("caption", { className: "unseen" }, title),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        heads.map((head) => el("th", { scope: "col" }, head)),
      ),
    ),
    el(
      "tbody",
      {},
      rows.map(([first, ...rest]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, String(first)),
          rest.map((value) => el("td", {}, String(value))),
        ),
      ),
    ),
  );
}

function csv(found) {
  const names = Object.keys(TIMES);
  const heads = [
    "day",
    ...Object.keys(COUNTS),
    ...names.flatMap((name) => ["avg", "p50", "p95"].map((kind) => `${name}_${kind}_seconds`)),
  ];
  const rows = found.by_day.map((day) => [
    day.day,
    ...Object.keys(COUNTS).map((name) => day[name]),
    ...names.flatMap((name) => ["avg", "p50", "p95"].map((kind) => day[name][kind] ?? "")),
  ]);
  return [heads, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

function download() {
  const address = URL.createObjectURL(new Blob([csv(shown)], { type: "text/csv" }));
  el("a", { href: address, download: `escalations-${shown.period}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

period.addEventListener("change", load);
byId("csv").addEventListener("click", download);
load();
