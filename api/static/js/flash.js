// A message that waits on the next page, and messages shown now.

import { Problem, post } from "./api.js";
import { byId, el } from "./dom.js";

const KEY = "flash";
const UNDO_MS = 10000;

/**
 * How to undo what was just done: the call that does it, and the page that shows the result.
 * @typedef {{ path: string, page: string }} Undo
 */

/** @param {string} text @param {string} kind @param {Undo | null} undo */
export function flashLater(text, kind = "info", undo = null) {
  sessionStorage.setItem(KEY, JSON.stringify({ text, kind, undo }));
}

// Show what the page before left for us. Returns the notice, or null.
export function showFlash() {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (!kept) return null;
  const { text, kind, undo } = JSON.parse(kept);
  const notice = flash(text, kind, undo);
  notice.focus();
  return notice;
}

// Show a message above the content; it stays until it is dismissed or replaced.
/** @param {string} text @param {string} kind @param {Undo | null} undo */
export function flash(text, kind = "info", undo = null) {
  const notice = el(
    "div",
    { className: `notice ${kind}`, tabIndex: -1, attrs: { role: kind === "bad" ? "alert" : "status" } },
    el("p", {}, text),
    undo && undoButton(undo),
    el("button", { type: "button", className: "quiet", on: { click: dismiss } }, "Dismiss"),
  );
  function dismiss() {
    notice.remove();
    byId("heading").focus();
  }
  byId("flash").replaceChildren(notice);
  return notice;
}

// For ten seconds what was done can be undone; later there are other ways.
/** @param {Undo} undo */
function undoButton({ path, page }) {
  const button = el("button", { type: "button", data: { undo: "" }, on: { click: act } }, "Undo");
  setTimeout(() => button.remove(), UNDO_MS);
  async function act() {
    button.disabled = true;
    try {
      await post(path);
      flashLater("Undone.");
      location.assign(page);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      flash(problem.message, "bad").focus();
    }
  }
  return button;
}
