// What is wrong with a form: at each field until it is changed, and in a summary above it where there is room for one.

import { byId, el } from "./dom.js";
import { show } from "./sending.js";

/**
 * A wrong value: its path in what was sent, or its name alone, and what is wrong with it.
 * @typedef {[string[] | string, string]} FieldError
 * @typedef {{ box?: HTMLElement, controlAt?: (path: string[]) => any }} Places where errors are summed up, and how the
 *   field of a path is found
 */

/**
 * How `sending` explains a failure in this form: at its fields where they are known, else above the content. A problem
 * names its `field`, or `codes` says which one its code is about.
 * @param {any} form
 * @param {Places & { codes?: Record<string, string> }} how
 */
export function explainIn(form, { codes = {}, ...places } = {}) {
  return (problem) => {
    const errors = refused(problem, codes);
    if (errors.length && (places.box || errors.some(([path]) => fieldAt(form, path, places)))) {
      showErrors(form, errors, places);
    } else show(problem);
  };
}

/** @returns {FieldError[]} */
function refused(problem, codes) {
  const field = problem.facts.field ?? codes[problem.code];
  if (field) return [[field, problem.message]];
  return problem.status === 422 ? flatten(problem.facts.errors?.json ?? {}) : [];
}

function flatten(errors, path = []) {
  if (Array.isArray(errors)) return [[path, errors.join(" ")]];
  return Object.entries(errors).flatMap(([inner, value]) => flatten(value, [...path, inner]));
}

/**
 * Show errors at their fields, and lead to the summary, or without one to the first field.
 * @param {any} form
 * @param {FieldError[]} errors
 * @param {Places} places
 */
export function showErrors(form, errors, places = {}) {
  const found = errors.map(([path, text]) => ({ path, text, control: fieldAt(form, path, places) }));
  for (const { control, text } of found) if (control) mark(control, text);
  if (places.box) sumUp(places.box, found);
  else found.find(({ control }) => control).control.focus();
}

function fieldAt(form, path, { controlAt = (/** @type {string[]} */ names) => form.elements[names.at(-1)] }) {
  const control = controlAt([path].flat());
  return control?.labels ? control : null;
}

function sumUp(box, found) {
  const items = found.map(({ path, text, control }) => {
    if (!control) return el("li", {}, `${[path].flat().at(-1)}: ${text}`);
    const link = el("a", { href: `#${control.id}` }, nameOf(control));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      control.focus();
    });
    return el("li", {}, link, `: ${text}`);
  });
  box.replaceChildren(el("p", {}, "Please look at these fields:"), el("ul", {}, ...items));
  box.hidden = false;
  box.focus();
}

const nameOf = (control) => control.ariaLabel ?? control.labels[0].firstChild.textContent.trim();

/** Forget the errors of the try before. */
export function clearErrors(form, box = null) {
  if (box) box.hidden = true;
  form.querySelectorAll("[aria-invalid]").forEach(unmark);
}

let marked = 0;

// What describes the field anyway goes on to.
function mark(control, text) {
  marked += 1;
  const id = `field-error-${marked}`;
  const around = control.closest("label") ?? control;
  around.parentNode.append(el("p", { className: "error field-error", id }, text));
  control.dataset.described = control.getAttribute("aria-describedby") ?? "";
  control.setAttribute("aria-describedby", `${id} ${control.dataset.described}`.trim());
  control.setAttribute("aria-invalid", "true");
  control.addEventListener("input", () => unmark(control), { once: true });
}

function unmark(control) {
  if (!control.hasAttribute("aria-invalid")) return;
  byId(control.getAttribute("aria-describedby").split(" ")[0])?.remove();
  control.removeAttribute("aria-invalid");
  if (control.dataset.described) control.setAttribute("aria-describedby", control.dataset.described);
  else control.removeAttribute("aria-describedby");
}
