// A message that waits on the next page, and messages shown now.

import { byId, el } from "./dom.js";

const KEY = "flash";

export function flashLater(text, kind = "info") {
  sessionStorage.setItem(KEY, JSON.stringify({ text, kind }));
}

// Show what the page before left for us. Returns the notice, or null.
export function showFlash() {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (!kept) return null;
  const { text, kind } = JSON.parse(kept);
  const notice = flash(text, kind);
  notice.focus();
  return notice;
}

// Show a message above the content; it stays until it is dismissed or replaced.
export function flash(text, kind = "info") {
  const notice = el(
    "div",
    { className: `notice ${kind}`, tabIndex: -1, attrs: { role: kind === "bad" ? "alert" : "status" } },
    el("p", {}, text),
    el("button", { type: "button", className: "quiet", on: { click: dismiss } }, "Dismiss"),
  );
  function dismiss() {
    notice.remove();
    byId("heading").focus();
  }
  byId("flash").replaceChildren(notice);
  return notice;
}
