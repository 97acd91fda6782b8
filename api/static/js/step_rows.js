// The steps of the hand-off form: a line each, until one is worked on.

import { byId, el, say } from "./dom.js";
import { splitIntoSteps } from "./pasted.js";
import { KIND, OUTCOME, plural } from "./words.js";

const MOST = 500; // steps of a handoff

const list = byId("steps");
const template = /** @type {HTMLTemplateElement} */ (byId("step-row"));
const dialog = /** @type {HTMLDialogElement} */ (byId("pasted"));

let changed = () => {};

/** Follow the rows; `onChange` is called after each change that is no typing. */
export function followSteps(onChange) {
  changed = onChange;
  byId("more").addEventListener("click", () => textOf(addStep()).focus());
  list.addEventListener("focusin", (event) => unfold(event.target.closest("li")));
  list.addEventListener("input", (event) => showBrief(event.target.closest("li")));
  list.addEventListener("click", (event) => {
    if (event.target.closest("button")) remove(event.target.closest("li"));
  });
  list.addEventListener("paste", paste);
}

export function addStep({ text = "", kind = "action", outcome = null } = {}, after = null) {
  const row = /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
  textOf(row).value = text;
  row.querySelector(".kind-of").value = kind;
  row.querySelector(".outcome-of").value = outcome ?? "";
  if (after) after.after(row);
  else list.append(row);
  showBrief(row);
  number();
  return row;
}

export function clearSteps() {
  list.replaceChildren();
  addStep();
}

/** The rows with a text, in order; a row is what read() takes. */
export const filledRows = () => [...list.children].filter((row) => textOf(row).value.trim());

export const read = (row) => ({
  kind: row.querySelector(".kind-of").value,
  text: textOf(row).value.trim(),
  outcome: row.querySelector(".outcome-of").value || null,
});

export const textOf = (row) => row.querySelector("textarea");

function number() {
  for (const [index, row] of [...list.children].entries()) {
    textOf(row).setAttribute("aria-label", `Step ${index + 1}`);
    row.querySelector("button").setAttribute("aria-label", `Remove step ${index + 1}`);
  }
}

// Only another row's focus folds a row, so that nothing moves between pressing a button and letting it go.
function unfold(row) {
  for (const other of list.children) other.classList.toggle("open", other === row);
}

function showBrief(row) {
  const { kind, outcome } = read(row);
  say(
    row.querySelector(".brief"),
    [KIND[kind], outcome && OUTCOME[outcome].toLowerCase()].filter(Boolean).join(", "),
  );
}

function remove(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  number();
  (next ? textOf(next) : byId("more")).focus();
  changed();
}

function paste(event) {
  const field = event.target.closest("textarea");
  const text = event.clipboardData?.getData("text/plain") ?? "";
  const steps = splitIntoSteps(text);
  if (!field || steps.length < 2) return; // one step is pasted as any text is
  event.preventDefault();
  const room = MOST - filledRows().length;
  say(byId("pasted-heading"), `Paste ${plural(steps.length, "step")}?`);
  say(byId("pasted-add"), steps.length > room ? `Add the first ${room}` : `Add ${steps.length} steps`);
  byId("pasted-steps").replaceChildren(
    ...steps.map((step) =>
      el("li", {}, el("span", { className: "kind" }, KIND[step.kind]), " ", el("span", {}, step.text)),
    ),
  );
  const { selectionStart: from, selectionEnd: to } = field; // the dialog moves it
  const fits = field.maxLength - field.value.length + (to - from);
  const insert = () => field.setRangeText(text.slice(0, fits), from, to, "end");
  dialog.returnValue = "";
  dialog.showModal();
  dialog.addEventListener("close", () => take(dialog.returnValue, field, insert, steps.slice(0, room)), {
    once: true,
  });
}

function take(choice, field, insert, steps) {
  const row = field.closest("li");
  field.focus();
  if (choice === "one") insert();
  else if (choice === "steps") {
    let last = row;
    for (const step of steps) last = addStep(step, last);
    if (!field.value.trim()) row.remove();
    number();
    textOf(last).focus();
  }
  changed();
}
