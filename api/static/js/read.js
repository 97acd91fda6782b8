// What somebody has opened is read, in every tab of the browser and on the server.

import { call, me, Problem } from "./api.js";

const channel = new BroadcastChannel(`read-${me.account}-${me.id}`);
const listeners = [];

// Listen for each handoff that was opened, here or in another tab.
export function onRead(listener) {
  listeners.push(listener);
}

channel.onmessage = ({ data }) => notify(data);

function notify(id) {
  for (const each of listeners) each(id);
}

// Mark a handoff as read, as far as it is shown. That it could not be stored is no reason to disturb anybody.
/** @param {{ id: string, seq: number }} handoff */
export async function markRead({ id, seq }) {
  try {
    await call("PUT", `/handoffs/${id}/read`, { body: { seq: seq ?? 0 }, quiet: true });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return;
  }
  notify(id);
  tellRead(id);
}

// Notify the other tabs.
export function tellRead(id) {
  channel.postMessage(id);
}
