// Renewing the page: the server renders it once more, and what has changed is taken over. So one place alone knows
// the markup, and what is typed, open or focused stays as it is.

import { Problem, seconds, signInAgain } from "./api.js";

const TIMEOUT_MS = 15000;

/**
 * This page as the server renders it now; Problem when it does not.
 * @param {Record<string, string>} query
 * @returns {Promise<Document>}
 */
export function pageNow(query) {
  const asked = new XMLHttpRequest();
  asked.open("GET", `${location.pathname}?${new URLSearchParams(query)}`);
  asked.responseType = "document"; // the browser's own parser; scripts of what it reads do not run
  asked.timeout = TIMEOUT_MS;
  /** @type {Promise<Document>} */
  const answer = new Promise((resolve, reject) => {
    asked.onload = () => {
      if (new URL(asked.responseURL).pathname === "/sign-in") signInAgain();
      else if (asked.status === 200 && asked.response) resolve(asked.response);
      else reject(new Problem(asked.status, null, seconds(asked.getResponseHeader("Retry-After"))));
    };
    for (const end of ["onerror", "ontimeout", "onabort"]) asked[end] = () => reject(new Problem(0, null, null));
  });
  asked.send();
  return answer;
}

// What the reader has done to an element, which the server does not know.
const OWN = {
  DETAILS: ["open"],
  FORM: ["hidden"],
  INPUT: ["checked", "value"],
  BUTTON: ["aria-expanded", "disabled", "aria-busy"],
};

/**
 * Make `old` look like `fresh`, keeping every element that can stay. An element with `data-keep` that holds words of
 * the reader stays as it is, even when it is there no longer.
 * @param {Element} old
 * @param {Element} fresh
 */
export function renew(old, fresh) {
  if (old.isEqualNode(fresh) || old.matches("[data-scripted]")) return;
  if (old.matches("[data-keep]") && holdsWords(old)) return;
  renewAttributes(old, fresh);
  renewChildren(old, fresh);
}

function renewAttributes(old, fresh) {
  const own = OWN[old.tagName] ?? [];
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !own.includes(name) && name !== "class") old.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes])
    if (!own.includes(name) && name !== "class" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  const marks = ["pointed", "whole", "ending"].filter((mark) => old.classList.contains(mark));
  if (old.className !== fresh.className) old.className = fresh.className;
  old.classList.add(...marks);
}

function renewChildren(old, fresh) {
  const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    at = skipKept(at, fresh);
    const same = wanted.id ? byId.get(wanted.id) : fits(at, wanted) ? at : null;
    if (!same) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same instanceof Element) renew(same, wanted);
    else if (same.nodeValue !== wanted.nodeValue) same.nodeValue = wanted.nodeValue;
  }
  while (at) {
    const next = at.nextSibling;
    if (!(at instanceof Element && stays(at))) at.remove();
    at = next;
  }
}

const fits = (node, wanted) =>
  node && node.nodeType === wanted.nodeType && node.nodeName === wanted.nodeName && !node.id;

// What only scripts have put there, or what holds words and is wanted no longer, is passed over.
function skipKept(node, fresh) {
  while (
    node instanceof Element &&
    node.id &&
    !fresh.querySelector(`:scope > #${CSS.escape(node.id)}`) &&
    stays(node)
  )
    node = node.nextSibling;
  return node;
}

const stays = (node) => node.matches("[data-scripted]") || (node.matches("[data-keep]") && holdsWords(node));

// Whether somebody has written or chosen something here, or has the focus in it.
export function holdsWords(form) {
  if (form.contains(document.activeElement)) return true;
  return [...form.querySelectorAll("textarea, input:not([type=radio], [type=checkbox]), option")].some((control) =>
    control.tagName === "OPTION"
      ? control.selected !== control.defaultSelected
      : control.value !== control.defaultValue,
  );
}
