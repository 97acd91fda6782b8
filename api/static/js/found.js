// Where a search found its words: the field by name, and the hits marked.

import { el } from "./dom.js";

const NAMES = { external_id: "Ticket", root_cause: "Root cause" };
const LEAST = 2; // letters of a word that is marked

const nameOf = (field) =>
  NAMES[field] ?? `${field[0].toUpperCase()}${field.slice(1)}`.replace(":", " ").replaceAll("_", " ");

/**
 * The nodes that show a match.
 * @param {{ field: string, text: string }} match
 */
export function marked({ field, text }, query = new URLSearchParams(location.search).get("q") ?? "") {
  return [el("span", { className: "field" }, `${nameOf(field)}: `), ...hits(text, query)];
}

function hits(text, query) {
  const words = query.match(/[\p{L}\p{N}]+/gu)?.filter((word) => word.length >= LEAST) ?? [];
  if (!words.length) return [text];
  const pattern = new RegExp(`(${words.join("|")})`, "giu");
  return text.split(pattern).map((part, at) => (at % 2 ? el("mark", {}, part) : part));
}
