// What a view of the queue holds, and in which order.

import { isAdmin, me } from "./api.js";

const RANK = { urgent: 0, high: 1, normal: 2, low: 3 };

// Ids rise with the time of their making.
const byAge = (one, other) => (one.id < other.id ? -1 : Number(one.id > other.id));

/** @type {Record<string, (one: Handoff, other: Handoff) => number>} */
export const ORDER = {
  urgency: (one, other) => RANK[one.priority] - RANK[other.priority] || byAge(one, other),
  oldest: byAge,
  newest: (one, other) => byAge(other, one),
};

/** @param {Handoff} card */
export const waits = (card) => card.status === "pending" || card.status === "ready";

/** @param {Handoff} card */
export const isForMe = (card) => waits(card) && card.target?.id === me.id && card.handed_off_by.id !== me.id;

// Whether a handoff belongs in a view, as far as its card tells.
/** @type {Record<string, (card: Handoff) => boolean>} */
export const HOLDS = {
  waiting: waits,
  for_me: isForMe,
  mine: (card) => card.status === "claimed" && card.claimed_by.id === me.id,
  handed_off: (card) => card.handed_off_by.id === me.id && !["withdrawn", "discarded"].includes(card.status),
  resolved: (card) => card.status === "resolved",
  all: (card) => card.status !== "parked" || isAdmin || card.handed_off_by.id === me.id,
};
