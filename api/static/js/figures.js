// Panels of the analytics: a heading, a plot or none, and the numbers as a table.

import { el } from "./dom.js";
import { span } from "./words.js";

export const duration = (seconds) =>
  seconds === null ? "–" : seconds < 10 ? `${seconds.toFixed(1)} s` : span(seconds);

const idOf = (title) => `h-${title.toLowerCase().replaceAll(" ", "-")}`;

// A panel whose table is all there is.
export function tablePanel(title, table, ...more) {
  const id = idOf(title);
  return el(
    "section",
    { className: "panel figures", attrs: { "aria-labelledby": id } },
    el("h2", { id }, title),
    ...more,
    scroll(title, table),
  );
}

// A panel with a plot, and its table folded.
export function plotPanel(title, plot, table, ...more) {
  const id = idOf(title);
  return el(
    "section",
    { className: "panel plot", attrs: { "aria-labelledby": id } },
    el("h2", { id }, title),
    ...more,
    ...plot,
    el("details", {}, el("summary", {}, "As a table"), scroll(title, table)),
  );
}

const scroll = (title, table) =>
  el(
    "div",
    { className: "scroll", tabIndex: 0, attrs: { role: "region", "aria-label": `${title} as a table` } },
    table,
  );

// A table whose first cells are heads of their rows; a cell may be an element.
export function table(title, heads, rows) {
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
          el("th", { scope: "row" }, first),
          rest.map((value) => el("td", {}, typeof value === "number" ? String(value) : value)),
        ),
      ),
    ),
  );
}

// The queue page with all handoffs that a query narrows to.
export const listOf = (query) => `/queue?${new URLSearchParams({ view: "all", ...query })}`;
