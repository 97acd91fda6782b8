// Taking a handoff, and what is said when somebody else was quicker.

import { post } from "./api.js";
import { flashLater } from "./flash.js";

// Claim a handoff. Resolves to it as it is now, or to null when somebody else has it: then the page goes
// back to the queue, which says who. Problem for everything else.
export async function claim(handoff) {
  try {
    return await post(`/handoffs/${handoff.id}/claim`);
  } catch (problem) {
    if (problem.code !== "already_claimed") throw problem;
    flashLater(lost(handoff, problem.facts.claimed_by.name));
    location.assign("/queue");
    return null;
  }
}

export function lost(handoff, name) {
  const taken = `${name} took “${handoff.session.title}” a moment before you.`;
  return `${taken} It is in good hands; here is what else is waiting.`;
}
