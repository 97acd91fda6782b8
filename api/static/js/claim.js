// Taking a handoff, and what is said when somebody else was quicker.

import { post } from "./api.js";
import { flash, flashLater } from "./flash.js";

// Claim a handoff. Resolves to it as it is now, or to null when somebody else has it: the queue says so, where
// the page goes unless it is there (`stay`). Problem for everything else.
export async function claim(handoff, { stay = false } = {}) {
  try {
    return await post(`/handoffs/${handoff.id}/claim`);
  } catch (problem) {
    if (problem.code !== "already_claimed") throw problem;
    const text = lost(handoff, problem.facts.claimed_by.name);
    if (stay) flash(text).focus();
    else {
      flashLater(text);
      location.assign("/queue");
    }
    return null;
  }
}

export function lost(handoff, name) {
  const taken = `${name} took “${handoff.session.title}” a moment before you.`;
  return `${taken} It is in good hands; here is what else is waiting.`;
}
