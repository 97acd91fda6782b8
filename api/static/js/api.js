// Calls to the JSON API of this origin, as the person who is signed in here.

const TIMEOUT_MS = 15000;
let clockOffset = 0;

// The server's time in milliseconds; a wrong clock on this machine makes no ages wrong.
export const now = () => Date.now() + clockOffset;

export const me = {
  id: document.body.dataset.user,
  name: document.body.dataset.name,
  role: document.body.dataset.role,
  account: document.body.dataset.account,
};
export const mayWrite = me.role === "engineer" || me.role === "admin";
export const isAdmin = me.role === "admin";

// An answer that is not a success. `status` 0: no answer at all.
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body?.detail || (status ? `The server answered ${status}.` : "The server does not answer."));
    this.status = status;
    this.code = body?.code;
    this.facts = body ?? {};
    this.retryAfter = retryAfter;
  }
}

/**
 * The response of a call below /api/v1; Problem for everything that is not 2xx or 304. `quiet` leaves the end of the
 * login to the caller.
 * @param {string} method
 * @param {string} path
 * @param {{ body?: object, headers?: Record<string, string>, quiet?: boolean }} options
 */
export async function call(method, path, { body, headers = {}, quiet = false } = {}) {
  const response = await fetchOnce(method, path, body, headers);
  noteClock(response);
  if (response.ok || response.status === 304) return response;
  const problem = new Problem(response.status, await json(response), seconds(response.headers.get("Retry-After")));
  if (!quiet && problem.status === 401) signInAgain();
  if (problem.code === "csrf") location.reload();
  throw problem;
}

async function fetchOnce(method, path, body, headers) {
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
  const sent = { Accept: "application/json", ...headers };
  if (method !== "GET") Object.assign(sent, { "X-CSRF-Token": csrf, "Content-Type": "application/json" });
  try {
    return await fetch(`/api/v1${path}`, {
      method,
      headers: sent,
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, null, null);
  }
}

export const get = async (path) => json(await call("GET", path));
export const post = async (path, body, options) => json(await call("POST", path, { body, ...options }));
export const patch = async (path, body, options) => json(await call("PATCH", path, { body, ...options }));
export const remove = async (path) => json(await call("DELETE", path));

async function json(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

export const seconds = (text) => (text === null || text === "" || Number.isNaN(Number(text)) ? null : Number(text));

function noteClock(response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds, so small differences mean nothing.
  if (!Number.isNaN(date)) clockOffset = Math.abs(date - Date.now()) > 3000 ? date - Date.now() : 0;
}

// Whoever signs out is on the way to another page; until it comes, what is still asked here is refused.
let signingOut = false;
document.addEventListener("submit", (event) => {
  if (/** @type {Element} */ (event.target).matches('form[action$="/sign-out"]')) signingOut = true;
});

// Ask for the token again and come back here.
export function signInAgain() {
  if (signingOut) return;
  const here = location.pathname + location.search;
  location.assign(`/sign-in?ended=1&next=${encodeURIComponent(here)}`);
}
