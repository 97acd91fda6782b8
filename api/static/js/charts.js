// Small SVG plots over days: lines on a logarithmic axis of time, and bars. The table beside each is the same data.

import { el, say, svg } from "./dom.js";
import { duration } from "./figures.js";
import { plural, span } from "./words.js";

const WIDTH = 560;
const HEIGHT = 220;
const LEFT = 72;
const RIGHT = 24;
const TOP = 12;
const BOTTOM = 34;
const TICKS = [0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400];

const inner = { width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
const x = (index, count) => LEFT + (count === 1 ? inner.width / 2 : (index * inner.width) / (count - 1));

function frame(title, ...children) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": title }, ...children);
}

/**
 * p50 and p95 by day, with a line that says the values of a day. Waits run from seconds to days, so the axis is
 * logarithmic; a day without a value is a gap. `href` leads from a day to its handoffs.
 */
export function waitingPlot(title, days, values, href) {
  const all = days.flatMap((_, index) => [values(index).p50, values(index).p95]).filter((value) => value !== null);
  if (!all.length) return [el("p", { className: "state-line" }, "Nobody had this wait in the period.")];
  const ticks = ticksAround(Math.min(...all), Math.max(...all));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const y = (value) => TOP + inner.height * (1 - Math.log(Math.max(low, value) / low) / Math.log(high / low));
  const at = (index) => x(index, days.length);
  const words = days.map((day, index) => {
    const { p50, p95 } = values(index);
    return p50 === null ? null : `${shortDay(day)}: median ${duration(p50)}, p95 ${duration(p95)}`;
  });
  return withReadout(
    title,
    [
      ...ticks.map((tick) => tickLine(y(tick), span0(tick))),
      ...dayLabels(days, at),
      ...line("p95", days, (index) => values(index).p95, y),
      ...line("p50", days, (index) => values(index).p50, y),
    ],
    { names: days, words, href, at, width: inner.width / Math.max(1, days.length - 1) },
  );
}

// The ticks from the one below the least value to the one above the greatest; three at least, so that a single day
// stands between lines that say where it is.
function ticksAround(least, greatest) {
  const first = TICKS.findLastIndex((tick) => tick <= Math.max(TICKS[0], least));
  const above = TICKS.findIndex((tick) => tick > greatest);
  const last = above < 0 ? TICKS.length - 1 : above;
  return TICKS.slice(Math.max(0, Math.min(first, last - 2)), Math.max(last, 2) + 1);
}

// A plot below a line that says the values of the day that is pointed at or focused, at first of the last one.
function withReadout(title, marks, { names, words, href, at, width }) {
  const readout = el("p", { className: "readout", attrs: { "aria-hidden": "true" } });
  const links = words.map((text, index) => {
    if (text === null) return null;
    const area = { x: at(index) - width / 2, y: TOP, width, height: inner.height };
    const link = svg("a", { href: href(names[index]), "aria-label": text, tabindex: -1 }, svg("rect", area));
    for (const kind of ["pointerenter", "focus"]) link.addEventListener(kind, () => say(readout, text));
    return link;
  });
  const reachable = links.filter(Boolean);
  say(readout, words.findLast((text) => text !== null) ?? "");
  reachable.at(-1)?.setAttribute("tabindex", "0");
  const plot = frame(title, ...marks, svg("g", { class: "days" }, ...reachable));
  plot.addEventListener("keydown", (event) => move(event, reachable));
  return [readout, plot];
}

// One of the days is a stop of the Tab key; the arrows go from day to day.
function move(event, links) {
  const now = links.indexOf(document.activeElement);
  const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: links.length - 1 }[event.key];
  const next = links[to];
  if (now < 0 || !next) return;
  event.preventDefault();
  links[now].setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

const span0 = (seconds) => (seconds < 1 ? `${seconds} s` : span(seconds).replace(/ 0 (min|h)$/, ""));

function tickLine(y, text) {
  return svg(
    "g",
    {},
    svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }),
    label(LEFT - 6, y + 4, text, "end"),
  );
}

function label(atX, atY, text, anchor = "middle") {
  const node = svg("text", { x: atX, y: atY, "text-anchor": anchor });
  node.textContent = text;
  return node;
}

// "21 Nov" of "2026-11-21", in the order of the reader's language.
const shortDay = (day) => new Date(`${day}T12:00`).toLocaleDateString([], { day: "numeric", month: "short" });

function dayLabels(days, at) {
  const every = Math.ceil(days.length / 5);
  return days
    .map((day, index) => (index % every === 0 ? label(at(index), HEIGHT - 8, shortDay(day)) : null))
    .filter(Boolean);
}

function line(name, days, value, y) {
  const runs = [[]];
  days.forEach((_, index) => {
    if (value(index) === null) runs.push([]);
    else runs.at(-1).push([x(index, days.length), y(value(index))]);
  });
  return runs
    .filter((run) => run.length)
    .flatMap((run) => [
      run.length > 1 ? svg("polyline", { class: name, points: run.map((point) => point.join(",")).join(" ") }) : null,
      ...run.map(([atX, atY]) => svg("circle", { class: name, cx: atX, cy: atY, r: days.length > 40 ? 2 : 3 })),
    ])
    .filter(Boolean);
}

// How many on each day.
export function volumePlot(title, days, counts, href) {
  const most = Math.max(1, ...counts);
  const slot = inner.width / days.length;
  const y = (count) => TOP + inner.height * (1 - count / most);
  const at = (index) => LEFT + (index + 0.5) * slot;
  const steps = [...new Set([0, Math.round(most / 2), most])];
  const bars = counts.map((count, index) =>
    svg("rect", {
      class: "bar",
      x: at(index) - slot * 0.35,
      width: slot * 0.7,
      y: y(count),
      height: TOP + inner.height - y(count),
    }),
  );
  return withReadout(
    title,
    [...steps.map((step) => tickLine(y(step), String(step))), ...bars, ...dayLabels(days, at)],
    {
      names: days,
      words: counts.map((count, index) => (count ? `${shortDay(days[index])}: ${plural(count, "handoff")}` : null)),
      href,
      at,
      width: slot,
    },
  );
}
