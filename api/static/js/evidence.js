// Places on the page: links lead to a step or to words, which are unfolded, shown and marked.

import { byId, calm } from "./dom.js";

// Follow the links of this page to its own places, and the place that the address names.
export function startPlaces(container) {
  container.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    point(link.hash.slice(1));
  });
  // A link that gets the focus in a text that is folded away would not be seen.
  container.addEventListener("focusin", (event) => event.target.closest(".long .body") && showAll(event.target));
  addEventListener("hashchange", () => point(location.hash.slice(1)));
  if (location.hash) point(location.hash.slice(1), "auto");
}

export const showAll = (node) => node.closest(".long")?.classList.add("whole");

// Show a place and mark it.
export function point(id, behavior = calm() ? "auto" : "smooth") {
  const node = byId(id);
  if (!node?.closest("#handoff")) return;
  for (let fold = node.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  for (const other of document.querySelectorAll(".pointed")) other.classList.remove("pointed");
  node.classList.add("pointed");
  node.scrollIntoView({ block: "center", behavior: /** @type {ScrollBehavior} */ (behavior) });
  node.focus({ preventScroll: true });
}
