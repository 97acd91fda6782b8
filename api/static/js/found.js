// Where a search found its words: the name of the field, and an excerpt with the hit marked.

import { el } from "./dom.js";

/** @param {Match} match */
export function marked({ field, text, start, end }) {
  const name = (field === "ask" ? "needs" : field).replace(":", " ").replaceAll("_", " ");
  const letters = [...text]; // the server counts characters
  return [
    el("span", { className: "field" }, `${name[0].toUpperCase()}${name.slice(1)}: `),
    letters.slice(0, start).join(""),
    el("mark", {}, letters.slice(start, end).join("")),
    letters.slice(end).join(""),
  ];
}
