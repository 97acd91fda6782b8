// What somebody has half written stays in their tab until they sign out, and no longer.

import { removeDrafts } from "./drafts.js";

for (const form of document.querySelectorAll("form.leave"))
  form.addEventListener("submit", () => removeDrafts(() => true));
