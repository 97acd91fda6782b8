// What is half written survives a reload and a new sign-in, in this tab only.

import { me } from "./api.js";

// Keep the fields of a form under a name, and put back what was kept. Returns a function that forgets it.
export function keepDraft(form, name) {
  const key = `draft-${me.id}-${name}`;
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
