// Small SVG plots: lines over days on a logarithmic time axis, and bars. The table beside each is the same data.

import { svg } from "./dom.js";
import { span } from "./words.js";

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
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, ...children);
}

// p50 and p95 by day. Waits run from seconds to days, so the axis is logarithmic; a day without a value is a gap.
export function waitingPlot(title, days, values) {
  const all = days.flatMap((_, index) => [values(index).p50, values(index).p95]).filter((value) => value !== null);
  if (!all.length)
    return frame(
      `${title} Nobody had this wait in the period.`,
      label(WIDTH / 2, HEIGHT / 2, "Nothing to measure yet"),
    );
  const low = Math.max(...TICKS.filter((tick) => tick <= Math.max(0.1, Math.min(...all))));
  const high = Math.min(...TICKS.filter((tick) => tick > Math.max(low, ...all)), TICKS.at(-1));
  const y = (value) => TOP + inner.height * (1 - Math.log(Math.max(low, value) / low) / Math.log(high / low));
  const ticks = TICKS.filter((tick) => tick >= low && tick <= high).map((tick) => tickLine(y(tick), span0(tick)));
  return frame(
    title,
    ...ticks,
    ...dayLabels(days, (index) => x(index, days.length)),
    ...line("p95", days, (index) => values(index).p95, y),
    ...line("p50", days, (index) => values(index).p50, y),
  );
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

// How many, by day or by name.
export function barPlot(title, names, counts, shorten = shortDay) {
  const most = Math.max(1, ...counts);
  const slot = inner.width / names.length;
  const y = (count) => TOP + inner.height * (1 - count / most);
  const steps = [...new Set([0, Math.round(most / 2), most])];
  const every = Math.ceil(names.length / 5);
  return frame(
    title,
    ...steps.map((step) => tickLine(y(step), String(step))),
    ...counts.map((count, index) =>
      svg("rect", {
        class: "bar",
        x: LEFT + index * slot + slot * 0.15,
        width: Math.min(slot * 0.7, 60),
        y: y(count),
        height: TOP + inner.height - y(count),
      }),
    ),
    ...names
      .map((name, index) =>
        index % every === 0
          ? label(LEFT + index * slot + Math.min(slot / 2, slot * 0.15 + 30), HEIGHT - 8, shorten(name))
          : null,
      )
      .filter(Boolean),
  );
}
