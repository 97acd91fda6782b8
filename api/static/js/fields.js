// Errors of a form, each at its field.

import { el } from "./dom.js";
import { show } from "./sending.js";

/**
 * What a problem says of single fields, by their names; empty: it is about something else. `codes` says which field
 * a code of the API is about.
 * @param {any} problem
 * @param {Record<string, string>} codes
 * @returns {[string, string][]}
 */
function told(problem, codes) {
  if (codes[problem.code]) return [[codes[problem.code], problem.message]];
  const errors = problem.status === 422 ? (problem.facts.errors?.json ?? {}) : {};
  return Object.entries(errors).map(([name, texts]) => [name, [texts].flat().join(" ")]);
}

// How `sending` explains a failure in this form: at its fields where they are known, else above the content.
export function explainIn(form, codes = {}) {
  return (problem) => {
    const errors = told(problem, codes).filter(([name]) => form.elements[name]);
    if (errors.length) showErrors(form, errors);
    else show(problem);
  };
}

// Show these errors and lead to the first of them.
export function showErrors(form, errors) {
  for (const [name, text] of errors) {
    const control = form.elements[name];
    const id = `${control.id}-error`;
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", [id, control.dataset.described].filter(Boolean).join(" "));
    control.parentNode.append(el("p", { id, className: "error" }, text));
  }
  form.elements[errors[0][0]].focus();
}

// Forget the errors of the try before.
export function clearErrors(form) {
  for (const node of form.querySelectorAll("p.error")) node.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    if (control.dataset.described) control.setAttribute("aria-describedby", control.dataset.described);
    else control.removeAttribute("aria-describedby");
  }
}
