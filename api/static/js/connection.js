// The small lamp that tells whether what is shown is live.

import { announce } from "./announce.js";
import { now } from "./api.js";
import { byId, say } from "./dom.js";
import { clock } from "./words.js";

const STALE_MS = 15000;
let state = { kind: "loading" };
let ticking = null;

// Show a state of the feed; seconds count down by themselves.
export function showConnection(next) {
  state = next;
  draw();
  clearInterval(ticking);
  ticking = state.retryAt ? setInterval(draw, 500) : null;
}

const SPOKEN = { stale: "The list is no longer live.", offline: "You are offline." };

// What is reconnecting for long is stale.
const kindNow = () => (state.kind === "reconnecting" && now() - state.since > STALE_MS ? "stale" : state.kind);

function draw() {
  const box = byId("connection");
  const kind = kindNow();
  // Only changes of the kind are told, not every second.
  if (kind !== box.dataset.state && SPOKEN[kind]) announce(SPOKEN[kind]);
  box.dataset.state = kind;
  say(box.querySelector(".words"), words(kind));
}

function words(kind) {
  const left = Math.max(0, Math.ceil(((state.retryAt ?? 0) - now()) / 1000));
  if (kind === "live") return "Live";
  if (kind === "reconnecting") return left ? `Reconnecting in ${left} s` : "Reconnecting…";
  if (kind === "stale") return `Stale since ${clock(state.since)}${left ? `, next try in ${left} s` : ", trying…"}`;
  if (kind === "offline") return `Offline, stale since ${clock(state.since)}`;
  if (kind === "stopped") return "Paused by the server";
  return "Connecting…";
}
