// The small lamp that tells whether what is shown is live.

import { now } from "./api.js";
import { byId, say } from "./dom.js";
import { announce } from "./announce.js";
import { clock } from "./words.js";

let state = { kind: "loading" };
let ticking = null;

// Show a state of the feed; seconds count down by themselves.
export function showConnection(next) {
  const changed = next.kind !== state.kind;
  state = next;
  const box = byId("connection");
  box.dataset.state = state.kind;
  draw();
  clearInterval(ticking);
  ticking = state.retryAt ? setInterval(draw, 500) : null;
  // Only changes of the kind are told, not every second.
  if (changed && SPOKEN[state.kind]) announce(SPOKEN[state.kind]);
}

const SPOKEN = { stale: "The list is no longer live.", offline: "You are offline." };

function draw() {
  say(byId("connection").querySelector(".words"), words());
}

function words() {
  const left = Math.max(0, Math.ceil(((state.retryAt ?? 0) - now()) / 1000));
  if (state.kind === "live") return "Live";
  if (state.kind === "reconnecting") return left ? `Reconnecting in ${left} s` : "Reconnecting…";
  if (state.kind === "stale") return `Stale since ${clock(state.since)}${left ? `, next try in ${left} s` : ", trying…"}`;
  if (state.kind === "offline") return `Offline, stale since ${clock(state.since)}`;
  if (state.kind === "stopped") return "Paused by the server";
  return "Connecting…";
}
