// Start here: the button that takes the handoff, or the reason why there is none.

import { announce } from "./announce.js";
import { isAdmin, mayWrite, me, post } from "./api.js";
import { claim } from "./claim.js";
import { el, refill, say } from "./dom.js";
import { sending } from "./sending.js";
import { ago, clock, STATUS } from "./words.js";

const OVER = ["claimed", "resolved", "withdrawn", "parked"]; // nobody can start here

/**
 * Fill the section for somebody who has not taken the handoff.
 * @param {HTMLElement} section
 * @param {{ handoff: Handoff, changed: Function }} view
 */
export function showStart(section, { handoff, changed }) {
  const first = handoff.assessment?.suggested_steps?.[0];
  const key = JSON.stringify([handoff.status, handoff.claimed_by?.id, first?.text]);
  if (section.dataset.key === key) return;
  section.dataset.key = key;
  say(section.querySelector("h2"), title(handoff));
  refill(section.querySelector(".fill"), ...parts(handoff, first, changed));
}

/** @param {Handoff} handoff */
function title(handoff) {
  if (OVER.includes(handoff.status)) return STATUS[handoff.status];
  return handoff.handed_off_by.id === me.id ? "Your handoff" : "Start here";
}

/** @param {Handoff} handoff @param {Statement} first */
function parts(handoff, first, changed) {
  if (handoff.status === "claimed") return [taken(handoff)];
  if (handoff.status === "resolved")
    return [
      line(`Resolved ${ago(handoff.resolved_at)}${handoff.claimed_by ? ` by ${handoff.claimed_by.name}` : ""}.`),
      back(),
    ];
  if (handoff.status === "withdrawn") return [line(`${handoff.handed_off_by.name} has withdrawn it.`), back()];
  const own = handoff.handed_off_by.id === me.id;
  if (handoff.status === "parked")
    return [
      line(`Only ${own ? "you" : handoff.handed_off_by.name} and the admins see it.`),
      own && mayWrite && move("Escalate now", "escalate", handoff, changed),
    ];
  if (own)
    return [
      line("You handed this off, so somebody else takes it."),
      mayWrite && move("Withdraw it", "withdraw", handoff, changed, ""),
    ];
  if (!mayWrite) return [line("You can read along; taking it needs the role engineer.")];
  if (handoff.target && handoff.target.id !== me.id && !isAdmin)
    return [line(`It is meant for ${handoff.target.name}.`)];
  return [
    first && el("p", { className: "first ticket" }, el("strong", {}, "First: "), first.text),
    el(
      "button",
      {
        type: "button",
        className: "primary wide",
        data: { key: "start" },
        on: { click: (event) => start(event.currentTarget, handoff, changed) },
      },
      "Start here",
    ),
    line("This takes the handoff. Reading does not."),
  ];
}

const line = (text) => el("p", { className: "state-line" }, text);
const back = () => el("a", { className: "button", href: "/queue", data: { key: "back" } }, "Back to the queue");

/** @param {Handoff} handoff */
function taken(handoff) {
  return el(
    "div",
    { className: "stack", attrs: { role: "status" } },
    el(
      "p",
      {},
      el("strong", {}, handoff.claimed_by.name),
      ` took it at ${clock(handoff.claimed_at)}. You can read along.`,
    ),
    back(),
  );
}

function start(button, handoff, changed) {
  return sending([button], async () => {
    const mine = await claim(handoff);
    if (mine) await changed(mine);
  });
}

function move(text, verb, handoff, changed, className = "primary") {
  const act = (event) =>
    sending([event.currentTarget], async () => {
      await changed(await post(`/handoffs/${handoff.id}/${verb}`));
      announce("Done.");
    });
  return el("button", { type: "button", className, data: { key: verb }, on: { click: act } }, text);
}
