// The account's feed, followed by cursor. One tab of the browser polls for all: the one that holds a lock.
//
// A tab listens on the channel before it loads its snapshot. Whatever the polling tab told before that was
// committed before the snapshot was read, and whatever comes after is heard: so nothing is missed.

import { call, me, now, Problem, seconds, signInAgain } from "./api.js";

const FIRST_BACKOFF = 1;
const LAST_BACKOFF = 30;
const HIDDEN_SECONDS = 15; // nobody is looking; the title still counts
const SILENT_MS = 60000; // a polling tab that says nothing for so long is stuck
const SLEPT_MS = 120000;

// Seconds to wait after so many failures: doubling from 1 to 30, and up to half of it off, so that the
// pages of a whole team do not come back in the same moment.
export function backoff(failures, random = Math.random()) {
  const ceiling = Math.min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** (failures - 1));
  return ceiling * (1 - random / 2);
}

/** @type {Follower | null} */
let tab = null; // of this page, which follows the feed once
/** @type {((events: FeedEvent[]) => void)[]} */
const listeners = [];

// Listen to the events of the page's follower, which any module may have started.
export function listen(onEvents) {
  listeners.push(onEvents);
}

export const following = () => tab !== null;

// Whether this tab is the one that polls.
export const isLeading = () => tab?.leading ?? false;

/**
 * Follow the feed. `load` reads what the page shows and returns a cursor from which the feed continues.
 * @param {{
 *   load: () => Promise<string>,
 *   onEvents: (events: FeedEvent[]) => void,
 *   onState: (state: FeedState) => void,
 * }} page
 */
export function follow({ load, onEvents, onState }) {
  const hear = (events) => {
    onEvents(events);
    for (const each of listeners) each(events);
  };
  tab = new Follower(load, hear, onState);
  tab.start();
  return tab;
}

class Follower {
  /**
   * @param {() => Promise<string>} load
   * @param {(events: FeedEvent[]) => void} onEvents
   * @param {(state: FeedState) => void} onState
   */
  constructor(load, onEvents, onState) {
    this.load = load;
    this.onEvents = onEvents;
    this.onState = onState;
    this.channel = new BroadcastChannel(`feed-${me.account}-${me.id}`);
    this.cursor = null;
    this.etag = null;
    this.early = []; // events heard while the snapshot is on its way
    this.loaded = false;
    this.leading = false;
    this.release = null;
    this.wake = null;
    this.failures = 0;
    this.lastGood = now();
    this.lastHeard = performance.now();
  }

  start() {
    this.channel.onmessage = ({ data }) => this.hear(data);
    document.addEventListener("visibilitychange", () => this.looked());
    addEventListener("online", () => this.wake?.());
    addEventListener("offline", () => this.leading && this.tell({ kind: "offline", since: this.lastGood }));
    addEventListener("pagehide", () => this.release?.());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    setInterval(() => this.watch(), 5000);
    this.fill();
    this.queueUp();
  }

  // Ask for a poll now: the page has just written something.
  poke() {
    if (this.leading) this.wake?.();
    else this.channel.postMessage({ kind: "poke" });
  }

  // Load the page's snapshot, again and again until it is there.
  async fill(delayMs = 0) {
    this.loaded = false;
    if (delayMs) await pause(delayMs);
    for (let failures = 0; !this.loaded; ) {
      try {
        const cursor = await this.load();
        if (this.leading || this.cursor === null) this.cursor = cursor;
        this.loaded = true;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (error.status === 401 || error.status === 404 || error.status === 403) return;
        failures += 1;
        const wait = error.retryAfter ?? backoff(failures);
        this.show(this.troubled(wait));
        await this.rest(wait);
      }
    }
    this.good();
    this.onEvents(this.early.splice(0));
    this.wake?.();
  }

  deliver(events) {
    if (this.loaded) this.onEvents(events);
    else this.early.push(...events);
  }

  // One tab holds the lock and polls. Without locks (plain http on a network) every tab polls for itself.
  queueUp(options = {}) {
    if (!navigator.locks) {
      this.lead();
      return;
    }
    navigator.locks
      .request(`feed-${me.account}-${me.id}`, options, () => this.lead())
      .catch(() => {
        this.leading = false; // another tab took the lock over
        this.queueUp();
      });
  }

  async lead() {
    let released = false;
    this.leading = true;
    /** @type {Promise<void>} */
    const done = new Promise((resolve) => {
      this.release = () => {
        released = true;
        this.leading = false;
        this.wake?.();
        resolve();
      };
    });
    this.channel.postMessage({ kind: "leading", hidden: document.hidden });
    (async () => {
      while (!released && this.leading) await this.rest(await this.turn());
    })();
    await done;
  }

  // One poll; returns the seconds until the next.
  async turn() {
    if (!this.loaded) return 0.5;
    try {
      return await this.poll();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return this.failed(error);
    }
  }

  async poll() {
    const slept = now() - this.lastGood > SLEPT_MS;
    const path = `/feed?limit=200&cursor=${this.cursor}${slept ? "&collapse=entity" : ""}`;
    const response = await call("GET", path, {
      headers: this.etag ? { "If-None-Match": this.etag } : {},
      quiet: true,
    });
    const interval = seconds(response.headers.get("Poll-Interval")) ?? 3;
    const page = response.status === 304 ? { events: [], cursor: this.cursor } : await response.json();
    // A page that must be read on has no "nothing new" yet.
    this.etag = page.has_more ? null : response.headers.get("ETag");
    this.cursor = page.cursor;
    this.good();
    this.channel.postMessage({ kind: "page", events: page.events, cursor: this.cursor });
    this.deliver(page.events);
    if (page.has_more) return 0;
    if (interval < 0) {
      this.tell({ kind: "stopped" });
      return Infinity;
    }
    this.tell({ kind: "live" });
    return document.hidden ? Math.max(interval, HIDDEN_SECONDS) : interval;
  }

  failed(error) {
    if (error.status === 401) {
      this.channel.postMessage({ kind: "ended" });
      signInAgain();
      return Infinity;
    }
    if (error.status === 410) {
      const wait = error.facts.retry_after_ms ?? 0;
      this.channel.postMessage({ kind: "reset", wait });
      this.reset(wait);
      return 0;
    }
    if (error.code === "cursor_invalid") {
      location.reload(); // somebody else has signed in here since
      return Infinity;
    }
    if (error.status === 429) return error.retryAfter ?? 5;
    this.failures += 1;
    const wait = Math.max(error.retryAfter ?? 0, backoff(this.failures));
    this.tell(this.troubled(wait));
    return wait;
  }

  reset(wait) {
    this.cursor = null;
    this.etag = null;
    this.fill(wait);
  }

  troubled(wait) {
    return {
      kind: navigator.onLine ? "reconnecting" : "offline",
      retryAt: now() + wait * 1000,
      since: this.lastGood,
    };
  }

  good() {
    this.failures = 0;
    this.lastGood = now();
  }

  tell(state) {
    this.channel.postMessage({ kind: "state", state });
    this.show(state);
  }

  show(state) {
    this.lastState = state;
    this.onState(state);
  }

  hear(message) {
    this.lastHeard = performance.now();
    if (message.kind === "page") {
      this.cursor = message.cursor;
      this.etag = null;
      this.good();
      this.deliver(message.events);
    } else if (message.kind === "state") this.show(message.state);
    else if (message.kind === "reset") this.reset(message.wait);
    else if (message.kind === "ended") signInAgain();
    else if (message.kind === "poke" && this.leading) this.wake?.();
    else if (message.kind === "leading" && message.hidden && !document.hidden) this.wish();
    else if (message.kind === "wish" && this.leading && document.hidden) this.step();
  }

  // Timers of hidden tabs are slowed down by the browser, so the tab that is looked at should poll.
  wish() {
    if (!this.leading) this.channel.postMessage({ kind: "wish" });
  }

  step() {
    if (!navigator.locks) return;
    this.release?.();
    this.queueUp();
  }

  looked() {
    if (document.hidden && this.leading) this.channel.postMessage({ kind: "leading", hidden: true });
    if (document.hidden) return;
    if (this.leading) this.wake?.();
    else this.wish();
  }

  watch() {
    const stuck = !this.leading && performance.now() - this.lastHeard > SILENT_MS;
    if (stuck && !document.hidden && navigator.locks && this.lastState?.kind !== "stopped") {
      this.lastHeard = performance.now();
      this.queueUp({ steal: true });
    }
  }

  // Wait, until `wake` is called at the latest.
  rest(wait) {
    /** @type {Promise<void>} */
    const waited = new Promise((resolve) => {
      const timer = Number.isFinite(wait) ? setTimeout(resolve, wait * 1000) : null;
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return waited;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
