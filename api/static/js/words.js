// How values are said to people.

import { now } from "./api.js";

export const PRIORITY = { urgent: "Urgent", high: "High", normal: "Normal", low: "Low" };
export const OUTCOME = { worked: "Worked", failed: "Failed", partial: "Partly", unknown: "Unclear" };
export const KIND = { question: "Question", action: "Action", observation: "Observation", note: "Note" };
export const STATUS = {
  parked: "Parked",
  pending: "Assessing",
  ready: "Ready",
  claimed: "Taken",
  resolved: "Resolved",
  withdrawn: "Withdrawn",
};

// Why a model's answer is not there. The kinds are the server's.
const WHY = {
  timeout: "the AI service did not answer in time",
  unavailable: "the AI service could not be reached",
  rate_limited: "the AI service was too busy",
  auth: "the AI service refused our key",
  truncated: "the AI answer was cut off",
  refused: "the AI declined to answer",
  invalid_reply: "the AI answer was not usable",
  budget: "the AI budget of this account is used up for now",
  circuit_open: "the AI service has failed repeatedly and is being left alone for a moment",
  deadline: "it took longer than it may",
  attempts: "it was tried several times without success",
  crashed: "the process that wrote it broke down",
  internal: "something went wrong on our side",
  withdrawn: "the handoff was withdrawn",
};

export const why = (kind) => WHY[kind] ?? (kind ? `the reason is “${kind.replaceAll("_", " ")}”` : "no reason was given");

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
export const moment = (time) =>
  new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

const NTH = ["", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

// A summary without the title, which stands above it anyway, if that is its whole first sentence.
export function belowTitle(summary, title) {
  const rest = summary.slice(title.length);
  const ends = /[.!?…]$/.test(title) ? /^\s+/ : /^[.!?…]+\s+/;
  return (summary.startsWith(title) && ends.test(rest) && rest.replace(ends, "")) || summary;
}

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
