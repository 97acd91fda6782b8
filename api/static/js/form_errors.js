// What is wrong with a form: in a summary that leads to each field, and at the field itself until it is changed.

import { byId, el } from "./dom.js";

/**
 * The path of each value that the server refused, with what is wrong with it; none if it refused something else.
 * @param {{ status: number, facts: Record<string, any> }} problem
 * @returns {[string[], string][]}
 */
export function refusedValues(problem) {
  return problem.status === 422 ? flatten(problem.facts.errors?.json ?? {}) : [];
}

function flatten(errors, path = []) {
  if (Array.isArray(errors)) return [[path, errors.join(" ")]];
  return Object.entries(errors).flatMap(([inner, value]) => flatten(value, [...path, inner]));
}

/**
 * Show errors in a box above the form. `controlAt` finds the field of a path.
 * @param {HTMLElement} box
 * @param {[string[], string][]} errors
 * @param {(path: string[]) => any} controlAt
 */
export function showErrors(box, errors, controlAt) {
  const items = errors.map(([path, text]) => {
    const control = controlAt(path);
    if (!control?.labels) return el("li", {}, `${path.at(-1)}: ${text}`);
    mark(control, text);
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

export function clearErrors(box, form) {
  box.hidden = true;
  form.querySelectorAll("[aria-invalid]").forEach(unmark);
}

const nameOf = (control) => control.ariaLabel ?? control.labels[0].firstChild.textContent.trim();

function mark(control, text) {
  const id = `error-${document.querySelectorAll(".field-error").length}`;
  control.after(el("p", { className: "error field-error", id }, text));
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", id);
  control.addEventListener("input", () => unmark(control), { once: true });
}

function unmark(control) {
  byId(control.getAttribute("aria-describedby"))?.remove();
  control.removeAttribute("aria-invalid");
  control.removeAttribute("aria-describedby");
}
