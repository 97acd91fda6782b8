// Evidence of a statement: links that show the step, the words, or the past case it rests on.

import { byId, calm, el } from "./dom.js";

const WORDS = { title: "Title", problem: "Problem", reason: "Reason", ask: "Request" };
const PLACES = { title: "heading", problem: "evidence-problem", reason: "evidence-reason", ask: "evidence-ask" };

// Links for these evidence ids. An id of a kind we do not know is left out.
export function evidence(ids, similar = []) {
  const links = (ids ?? []).map((id) => link(id, similar)).filter(Boolean);
  return links.length
    ? el("span", { className: "evidence" }, el("span", { className: "unseen" }, "Evidence: "), ...links)
    : null;
}

function link(id, similar) {
  const [kind, value] = id.split(":");
  if (kind === "step" && /^\d+$/.test(value ?? "")) return here(`step-${value}`, `Step ${value}`);
  if (kind === "handoff" && value) return pastCase(value, similar);
  return WORDS[id] ? here(PLACES[id], WORDS[id]) : null;
}

// "Past case 2", numbered as in the list of similar cases.
function pastCase(id, similar) {
  const at = similar.findIndex((each) => each.handoff_id === id);
  const number = at >= 0 && similar.length > 1 ? ` ${at + 1}` : "";
  return elsewhere(id, `Past case${number}`, similar[at]?.title ?? "");
}

// A link to another handoff, opened beside this page, so that the place here is kept.
export function elsewhere(id, text, title = "") {
  return el(
    "a",
    {
      href: `/handoffs/${encodeURIComponent(id)}`,
      className: "chip",
      target: "_blank",
      rel: "noopener",
      title,
      data: { key: `past-${id}` },
    },
    text,
    el("span", { className: "unseen" }, " (opens in a new tab)"),
  );
}

function here(target, text) {
  return el(
    "a",
    {
      href: `#${target}`,
      className: "chip",
      data: { key: `to-${target}` },
      on: { click: (event) => show(event, target) },
    },
    text,
  );
}

function show(event, target) {
  event.preventDefault();
  const node = byId(target);
  if (!node) return;
  for (const other of document.querySelectorAll(".pointed")) other.classList.remove("pointed");
  node.classList.add("pointed");
  node.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
  node.focus({ preventScroll: true });
}
