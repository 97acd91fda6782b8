// Sending something to the server from a form or a button.

import { flash } from "./flash.js";

// Run `act`, which sends a request, with the buttons disabled. What goes wrong is shown; what was typed stays.
export async function sending(buttons, act, explain = show) {
  setBusy(buttons, true);
  try {
    await act();
  } catch (problem) {
    explain(problem);
  } finally {
    setBusy(buttons, false);
  }
}

function setBusy(buttons, busy) {
  for (const button of buttons) {
    button.disabled = busy;
    if (busy) button.setAttribute("aria-busy", "true");
    else button.removeAttribute("aria-busy");
  }
}

// Show why a request has failed, above the content.
export function show(problem) {
  flash(problem.message, "bad").focus();
}
