// Words that somebody was writing when the handoff left their hands: they stay, with what happened and a way on.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { byId, el } from "./dom.js";
import { addStep } from "./moves.js";
import { sending } from "./sending.js";

/**
 * After the page was renewed: explain above each form that stays only for its words why it cannot be sent.
 * @param {Element} fresh what the server rendered
 * @param {{ changed: () => Promise<void> }} page
 */
export function strand(fresh, { changed }) {
  for (const form of document.querySelectorAll("#handoff [data-keep]")) {
    const wanted = fresh.querySelector(`#${CSS.escape(form.id)}`);
    const lost = !form.hidden && (!wanted || wanted.hidden) && form.matches("#add, .panel-form");
    const notice = form.querySelector(".stranded");
    if (!lost) notice?.remove();
    else if (!notice) form.prepend(tellIn(form, changed));
  }
}

function tellIn(form, changed) {
  const { last } = byId("handoff").dataset;
  const again = form.id === "add" && byId("start").querySelector('[data-act="take"]');
  const words = `${last ? `${last}. ` : ""}It is not with you any more. Your words are kept here.`;
  announce(words);
  return el(
    "div",
    { className: "notice warn stranded", data: { scripted: "" }, attrs: { role: "alert" } },
    el("p", {}, words),
    again &&
      el(
        "button",
        { type: "button", className: "primary", on: { click: (event) => retake(event.currentTarget, changed) } },
        "Take it again and add this step",
      ),
  );
}

function retake(button, changed) {
  const form = /** @type {Form} */ (byId("add-form"));
  return sending([button], async () => {
    await post(`/handoffs/${byId("handoff").dataset.id}/claim`);
    await addStep(form);
    form.reset();
    button.closest(".stranded").remove();
    await changed();
    announce("It is yours again, and the step is added.");
  });
}
