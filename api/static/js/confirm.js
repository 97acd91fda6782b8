// A question before something that cannot be taken back.

import { el } from "./dom.js";

/**
 * Whether the person says yes. Escape is a no; the focus goes back to where it was.
 * @param {string} question
 * @param {string} consequence what happens then
 * @param {string} yes the words on the buttons
 * @param {string} no
 * @returns {Promise<boolean>}
 */
export function confirmed(question, consequence, yes, no = "Keep it") {
  const dialog = /** @type {HTMLDialogElement} */ (
    el(
      "dialog",
      { attrs: { "aria-labelledby": "confirm-heading", "aria-describedby": "confirm-text" } },
      el("h2", { id: "confirm-heading" }, question),
      el("p", { id: "confirm-text" }, consequence),
      el(
        "form",
        { className: "buttons", method: "dialog" },
        el("button", { className: "danger", value: "yes" }, yes),
        el("button", { className: "quiet", value: "", autofocus: true }, no),
      ),
    )
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
