// Notifications of the desktop and a short sound, for those who want them, while nobody looks at any tab.

import { byId } from "./dom.js";

const DESKTOP = "alert-desktop";
const SOUND = "alert-sound";
const NOTES_HZ = [880, 1175];
const NOTE_SECONDS = 0.14;

const isWanted = (name) => localStorage.getItem(name) !== null;
const want = (name, yes) => (yes ? localStorage.setItem(name, "1") : localStorage.removeItem(name));

function start(name, agree) {
  const box = /** @type {HTMLInputElement} */ (byId(name));
  box.checked = isWanted(name);
  box.addEventListener("change", async () => {
    if (box.checked && !(await agree())) {
      box.checked = false;
      byId("alert-hint").textContent = "Your browser does not allow notifications of this site.";
      byId("alert-hint").hidden = false;
    }
    want(name, box.checked);
  });
}

// Without https there are no notifications.
const mayNotify = async () => "Notification" in globalThis && (await Notification.requestPermission()) === "granted";

// What is to be heard once is played when it is chosen, so that one knows it, and so that the browser allows it.
const mayPlay = async () => {
  play();
  return true;
};

// Put the wishes of this browser into the form.
export function startAlerts() {
  start(DESKTOP, mayNotify);
  start(SOUND, mayPlay);
}

/** @param {string} text @param {string} id of the handoff that it is about */
export function alertUnseen(text, id) {
  if (isWanted(SOUND)) play();
  if (!isWanted(DESKTOP) || !("Notification" in globalThis) || Notification.permission !== "granted") return;
  const icon = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel="icon"]')).href;
  // One tag: a later one replaces what nobody has looked at.
  const shown = new Notification("Escalation", { body: text, icon, tag: "escalation" });
  shown.onclick = () => {
    window.focus();
    window.open(`/handoffs/${id}`);
    shown.close();
  };
}

function play() {
  const context = new AudioContext();
  NOTES_HZ.forEach((frequency, at) => {
    const note = new OscillatorNode(context, { type: "sine", frequency });
    const volume = new GainNode(context, { gain: 0.15 });
    const begin = context.currentTime + at * NOTE_SECONDS;
    volume.gain.setTargetAtTime(0, begin + NOTE_SECONDS / 2, NOTE_SECONDS / 6);
    note.connect(volume).connect(context.destination);
    note.start(begin);
    note.stop(begin + NOTE_SECONDS);
  });
  setTimeout(() => context.close(), 1000);
}
