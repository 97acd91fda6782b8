// How long handoffs wait: plots, the same numbers as tables, and a CSV.

import { announce } from "./announce.js";
import { get } from "./api.js";
import { breakdown, openNow, ratings } from "./breakdowns.js";
import { volumePlot, waitingPlot } from "./charts.js";
import { byId, el } from "./dom.js";
import { duration, listOf, plotPanel, table, tablePanel } from "./figures.js";
import { ASSESSMENT, STATUS } from "./words.js";

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

const whole = (seconds) => duration(seconds).replaceAll(" ", "\u00a0");
const chosen = () => period.querySelector(":checked").value;

async function load() {
  const asked = chosen();
  report.setAttribute("aria-busy", "true");
  try {
    const found = await get(`/analytics/escalations?period=${asked}`);
    const beside = await Promise.all([openNow(), ratings(asked), breakdown(asked, found.since)]);
    if (asked !== chosen()) return;
    shown = found;
    draw(found, beside);
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

function draw(found, beside) {
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
      ...beside,
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
        duration(found[name].p50),
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

function waiting(title, name, found, days) {
  const legend = el(
    "p",
    { className: "legend", attrs: { "aria-hidden": "true" } },
    el("span", {}, "Median (p50)"),
    el("span", { className: "of-p95" }, "p95"),
  );
  const rows = found.by_day.map((day) => [
    day.day,
    duration(day[name].p50),
    duration(day[name].p95),
    duration(day[name].avg),
  ]);
  return plotPanel(
    title,
    waitingPlot(`${title} by day, p50 and p95`, days, (index) => found.by_day[index][name], listOfDay),
    table(title, ["Day", "p50", "p95", "Mean"], rows),
    legend,
  );
}

function volume(found, days) {
  const rows = found.by_day.map((day) => [day.day, ...Object.keys(COUNTS).map((name) => day[name])]);
  return plotPanel(
    "Volume",
    volumePlot(
      "Handoffs by day",
      days,
      found.by_day.map((day) => day.n_handoffs),
      listOfDay,
    ),
    table("Volume by day", ["Day", ...Object.values(COUNTS)], rows),
  );
}

// The handoffs that began to wait on a day in UTC.
function listOfDay(day) {
  const next = new Date(Date.parse(`${day}T00:00Z`) + 86_400_000).toISOString();
  return listOf({ since: `${day}T00:00:00Z`, until: next });
}

function byState(found) {
  const order = Object.keys(STATES);
  const states = found.by_assessment_state.toSorted(
    (one, other) => order.indexOf(one.assessment_state) - order.indexOf(other.assessment_state),
  );
  const rows = states.map((each) => [
    STATES[each.assessment_state] ?? each.assessment_state,
    each.n_handoffs,
    ...Object.keys(TIMES).flatMap((name) => [duration(each[name].p50), duration(each[name].p95)]),
  ]);
  const heads = ["Assessment", "Handoffs", "Ready p50", "p95", "Claim p50", "p95", "Action p50", "p95"];
  return tablePanel("By assessment", table("By assessment", heads, rows));
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

// The period stands in the address, so that a link and Back show the same.
function choose() {
  const asked = new URLSearchParams(location.search).get("period") ?? "30d";
  const radio = [...period.querySelectorAll("input")].find((each) => each.value === asked);
  if (radio) radio.checked = true;
}

period.addEventListener("change", () => {
  const address = new URL(location.href);
  address.searchParams.set("period", chosen());
  history.pushState(null, "", address);
  load();
});
addEventListener("popstate", () => {
  choose();
  load();
});
choose();
byId("csv").addEventListener("click", download);
load();
