// Correcting a handoff: only what was changed is sent, with the version that was read. When somebody else was quicker,
// the words stay, and what stands now is shown below each field.

import { patch } from "./api.js";
import { byId, el } from "./dom.js";
import { flash } from "./flash.js";
import { pageNow } from "./renew.js";

const CLEARED = ["target_user_id", "ask", "client", "asset", "category"]; // an empty one is none

/** @param {Form} form @param {() => Promise<void>} finish */
export async function edit(form, finish) {
  const { id, session } = byId("handoff").dataset;
  try {
    await send(
      form,
      `/handoffs/${id}`,
      changed(form, (control) => !control.dataset.of),
    );
    await send(
      form,
      `/sessions/${encodeURIComponent(session)}?handoff=${id}`,
      changed(form, (control) => control.dataset.of),
    );
  } catch (problem) {
    if (problem.status !== 412) throw problem;
    await showWhatStands(form);
    return;
  }
  for (const hint of form.querySelectorAll(".stands")) hint.remove();
  await finish();
}

// What was sent counts as read; the next part is sent with the version that it made.
async function send(form, path, changes) {
  if (!Object.keys(changes).length) return;
  const answer = await patch(path, changes, { headers: { "If-Match": `"${form.dataset.version}"` } });
  form.dataset.version = (answer.handoff ?? answer).version;
  for (const name of Object.keys(changes)) setBefore(form.elements[name], changes[name] ?? "");
}

// What differs from what was on the page.
function changed(form, isMeant) {
  const changes = {};
  for (const control of controls(form).filter(isMeant)) {
    const { name, value } = control;
    if (value !== before(control)) changes[name] = value || (CLEARED.includes(name) ? null : value);
  }
  return changes;
}

const controls = (form) => [...form.elements].filter((control) => control.name);

const before = (control) =>
  control.tagName === "SELECT"
    ? ([...control.options].find((option) => option.defaultSelected)?.value ?? control.options[0].value)
    : control.defaultValue;

async function showWhatStands(form) {
  const page = await pageNow({});
  const fresh = /** @type {Form} */ (page.getElementById(form.id));
  for (const hint of form.querySelectorAll(".stands")) hint.remove();
  if (!fresh) throw new Error("nobody edits it any more");
  for (const control of controls(form)) {
    const stands = fresh.elements[control.name];
    if (before(stands) === before(control)) continue;
    if (control.value === before(control)) {
      setBefore(control, before(stands));
      control.value = before(stands);
      continue;
    }
    const words = stands.tagName === "SELECT" ? stands.selectedOptions[0].textContent : before(stands);
    control.after(
      el("p", { className: "hint stands" }, "Now: ", el("span", { className: "ticket" }, words || "nothing")),
    );
    setBefore(control, before(stands));
  }
  form.dataset.version = fresh.dataset.version;
  const last = page.getElementById("handoff").dataset.last;
  flash(
    `Somebody was quicker: ${last}. Your words are still here; save again to put them in the place of those.`,
    "warn",
  );
}

// What was typed stays; what it is compared with is what stands now.
function setBefore(control, value) {
  const { value: typed } = control;
  if (control.tagName === "SELECT")
    for (const option of control.options) option.defaultSelected = option.value === value;
  else control.defaultValue = value;
  control.value = typed;
}
