// How values are shown to people: labels, times, counts.

import { now } from "./api.js";
import { byId } from "./dom.js";

// The labels of the server's enums, which it puts on the page.
const labels = JSON.parse(byId("labels").textContent);

export const PRIORITY = labels.Priority;
export const OUTCOME = labels.Outcome;
export const KIND = labels.StepKind;
export const STATUS = labels.Status;
export const ASSESSMENT = labels.State;
export const STANDING = labels.Standing;
export const BATCH = labels.BatchState;
export const ITEM = labels.ItemState;
export const RATING = labels.Rating;
export const ROLE = labels.Role;
export const TOKEN = labels.TokenState;

// Why there is no answer of a model, as the end of a sentence.
export const why = (kind) =>
  labels.Reason[kind] ?? (kind ? `the reason is “${kind.replaceAll("_", " ")}”` : "no reason was given");

// "3 min": how long ago, in one unit.
export function age(time) {
  return span((now() - Date.parse(time)) / 1000);
}

export function span(seconds) {
  const value = Math.max(0, seconds);
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

export const ago = (time) => (now() - Date.parse(time) < 5000 ? "just now" : `${age(time)} ago`);
export const clock = (time) => new Date(time).toLocaleTimeString([], { timeStyle: "short" });
export const moment = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

const NTH = ["", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

// "Third time here"; null the first time.
export function returns(count) {
  if (!count) return null;
  const word = NTH[count] ?? `${count + 1}th`;
  return `${word[0].toUpperCase()}${word.slice(1)} time here`;
}

export function source(name) {
  if (!name) return null;
  if (name === "extractive") return "from the session, without AI";
  const [vendor, ...model] = name.split(":");
  return `by ${model.join(":") || vendor}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
