// What is half written survives a reload and a new sign-in, in this tab only.

import { me } from "./api.js";

// Whose a draft is stands in its key.
export const draftKey = (name) => `draft-${me.id}-${name}`;

// Remove the drafts whose keys are meant.
export function removeDrafts(isMeant) {
  for (const key of Object.keys(sessionStorage))
    if (key.startsWith("draft-") && isMeant(key)) sessionStorage.removeItem(key);
}

// Somebody else's session has ended in this tab without their signing out.
removeDrafts((key) => !key.startsWith(draftKey("")));

// Keep the fields of a form under a name, and put back what was kept. Returns a function that forgets it.
export function keepDraft(form, name) {
  const key = draftKey(name);
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "{}");
  for (const [field, value] of Object.entries(kept)) {
    const control = form.elements[field];
    if (control) control.value = value;
  }
  form.addEventListener("input", () => {
    const values = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    sessionStorage.setItem(key, JSON.stringify(values));
  });
  return () => sessionStorage.removeItem(key);
}
