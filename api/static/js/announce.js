// Polite words for screen readers: at most one announcement in a few seconds, several arrivals summed up.

import { byId } from "./dom.js";
import { isForMe, isMine } from "./views.js";

const APART_MS = 4000;
/** @type {Map<string, Handoff>} */
const waiting = new Map();
let timer = null;
let last = -APART_MS;

// Announce what arrived. Many at once become a number, and the most urgent of them is named.
/** @param {Handoff} card */
export function arrived(card) {
  waiting.set(card.id, card);
  if (timer !== null) return;
  timer = setTimeout(tell, Math.max(250, last + APART_MS - performance.now()));
}

function tell() {
  timer = null;
  last = performance.now();
  announce(summary([...waiting.values()]));
  waiting.clear();
}

// "New urgent handoff: VPN …", "7 new, 1 urgent: VPN …".
/** @param {Handoff[]} cards */
export function summary(cards) {
  const urgent = cards.filter((card) => card.priority === "urgent");
  const mine = cards.filter((card) => isForMe(card) || isMine(card));
  const [named] = [...urgent, ...mine, ...cards];
  if (cards.length === 1) {
    const kind = [urgent.length && "urgent", "handoff", mine.length && "for you"].filter(Boolean).join(" ");
    return `New ${kind}: ${named.session.title}`;
  }
  const counts = [urgent.length && `${urgent.length} urgent`, mine.length && `${mine.length} for you`].filter(
    Boolean,
  );
  if (!counts.length) return `${cards.length} new handoffs`;
  return `${[`${cards.length} new`, ...counts].join(", ")}: ${named.session.title}`;
}

// Say one thing at once: the answer to what the reader just did.
export function announce(text) {
  byId("polite").textContent = text;
}
