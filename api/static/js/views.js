// What a view of the queue holds, and in which order.

import { isAdmin, me } from "./api.js";

const RANK = { urgent: 0, high: 1, normal: 2, low: 3 };

const OPEN = ["pending", "ready", "claimed"];

const compare = (one, other) => (one < other ? -1 : Number(one > other));

/** @param {Handoff} one @param {Handoff} other */
const byAge = (one, other) => compare(one.created_at, other.created_at) || compare(one.id, other.id);

const byResolution = (one, other) => compare(timeOf(one), timeOf(other)) || compare(one.id, other.id);
const timeOf = (card) => card.resolved_at ?? card.created_at;

// The open ones by urgency and age, then the closed ones, the newest first.
/** @param {Handoff} one @param {Handoff} other */
function byUrgency(one, other) {
  const [open, otherOpen] = [one, other].map((card) => OPEN.includes(card.status));
  if (open !== otherOpen) return open ? -1 : 1;
  if (!open) return byAge(other, one);
  return RANK[one.priority] - RANK[other.priority] || byAge(one, other);
}

// How a view is in order, as the server has it.
export function orderOf(view, sort) {
  const older = view === "resolved" ? byResolution : byAge;
  if (sort === "oldest") return older;
  if (sort === "newest" || view === "resolved") return (one, other) => older(other, one);
  return byUrgency;
}

/** @param {Handoff} card */
export const waits = (card) => card.status === "pending" || card.status === "ready";

/** @param {Handoff} card */
export const isForMe = (card) => waits(card) && card.target?.id === me.id && card.handed_off_by.id !== me.id;

/** @param {Handoff} card */
export const isMine = (card) => card.status === "claimed" && card.claimed_by.id === me.id;

// Whether a handoff belongs in a view, as far as its card shows.
/** @type {Record<string, (card: Handoff) => boolean>} */
export const HOLDS = {
  waiting: waits,
  for_me: isForMe,
  mine: isMine,
  handed_off: (card) => card.handed_off_by.id === me.id && !["withdrawn", "discarded"].includes(card.status),
  resolved: (card) => card.status === "resolved",
  all: (card) =>
    card.status !== "discarded" && (card.status !== "parked" || isAdmin || card.handed_off_by.id === me.id),
};
