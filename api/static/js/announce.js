// Polite words for screen readers: at most one announcement in a few seconds, several events summed up.

import { byId } from "./dom.js";
import { plural } from "./words.js";

const APART_MS = 4000;
let waiting = [];
let timer = null;
let last = -APART_MS;

// Tell that something arrived. Many at once become a number.
export function arrived(title) {
  waiting.push(title);
  if (timer !== null) return;
  timer = setTimeout(tell, Math.max(250, last + APART_MS - performance.now()));
}

function tell() {
  timer = null;
  last = performance.now();
  announce(waiting.length === 1 ? `New handoff: ${waiting[0]}` : `${plural(waiting.length, "new handoff")}`);
  waiting = [];
}

// Say one thing at once: the answer to what the reader just did.
export function announce(text) {
  byId("polite").textContent = text;
}
