// The column of what happened: its filters, of which one is on at a time.

import { byId } from "./dom.js";

// What a filter hides, the style sheet says; what is folded is unfolded while one is on.
export function startFilters() {
  const filters = byId("tried").querySelectorAll(".only input");
  byId("tried").addEventListener("change", (event) => {
    const changed = /** @type {HTMLInputElement} */ (event.target);
    if (![...filters].includes(changed)) return;
    for (const filter of filters) filter.checked = filter === changed && changed.checked;
    for (const fold of byId("days").querySelectorAll(".fold > details")) fold.open = changed.checked;
  });
}
