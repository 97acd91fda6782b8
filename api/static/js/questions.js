// What somebody asks the reader, on top of every page: it comes live, and is answered in place.

import { alertUnseen } from "./alerts.js";
import { announce } from "./announce.js";
import { get, Problem, post } from "./api.js";
import { byId } from "./dom.js";
import { isLeading, listen } from "./feed.js";
import { holdsWords } from "./renew.js";
import { sending } from "./sending.js";

const SOON_MS = 300; // several events ask once

const list = byId("asked");
const template = /** @type {HTMLTemplateElement} */ (byId("asked-one"));
let asking = null;

/** @param {FeedEvent[]} events */
function onEvents(events) {
  const mayChange = ({ handoff }) =>
    handoff.questions_open > 0 || list.querySelector(`[data-handoff="${handoff.id}"]`);
  if (events.some(mayChange) && asking === null) asking = setTimeout(ask, SOON_MS);
}

async function ask() {
  asking = null;
  try {
    show((await get("/me/questions")).items);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}

const keyOf = ({ handoff_id: handoff, step }) => `${handoff}/${step}`;
const keyIn = (item) => `${item.dataset.handoff}/${item.dataset.step}`;

// An item in which somebody writes stays until they have done so.
function show(questions) {
  const shown = new Map([...list.children].map((item) => [keyIn(item), item]));
  const open = new Set(questions.map(keyOf));
  for (const [key, item] of shown) if (!open.has(key) && !holdsWords(item)) item.remove();
  for (const question of questions) if (!shown.has(keyOf(question))) add(question);
}

function add(question) {
  const { handoff_id: handoff, session, step, text, asked_by: by } = question;
  const item = template.content.querySelector("li").cloneNode(true);
  Object.assign(item.dataset, { handoff, step, session: session.external_id });
  const slot = (name) => item.querySelector(`[data-slot="${name}"]`);
  slot("name").textContent = by.name;
  slot("title").textContent = session.title;
  slot("title").href = `/handoffs/${handoff}#step-${step}`;
  slot("text").textContent = text;
  list.append(item);
  announce(`${by.name} asks: ${text}`);
  if (document.hidden && isLeading()) alertUnseen(`${by.name} asks: ${text}`, handoff);
}

list.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = /** @type {Form} */ (event.target);
  const item = form.closest("li");
  const { session, handoff, step } = item.dataset;
  const act = async () => {
    const path = `/sessions/${encodeURIComponent(session)}/steps?handoff=${handoff}`;
    await post(path, { kind: "observation", text: form.elements.text.value, answers: Number(step) });
    item.remove();
    announce("Answered.");
  };
  sending([form.querySelector("button")], act, (problem) => {
    form.querySelector(".error").textContent = problem.message;
  });
});

listen(onEvents);
