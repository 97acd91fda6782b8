// Settings: what differs from before is sent, and what counts then is shown.

import { patch } from "./api.js";
import { byId, say } from "./dom.js";
import { clearErrors, explainIn, showErrors } from "./fields.js";
import { flash } from "./flash.js";
import { sending } from "./sending.js";

const form = /** @type {Form} */ (byId("settings"));
const inputs = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input")]);
for (const input of inputs) input.dataset.described = input.getAttribute("aria-describedby");

const text = (input) => input.value.trim();

function value(input) {
  if (!text(input)) return null;
  return "number" in input.dataset ? Number(text(input).replaceAll(/[\s,.’']/g, "")) : text(input);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearErrors(form);
  const changed = inputs.filter((input) => text(input) !== input.defaultValue);
  const wrong = changed.filter((input) => Number.isNaN(value(input)));
  if (wrong.length)
    return showErrors(
      form,
      wrong.map((input) => [input.name, "A whole number, such as 45."]),
    );
  if (!changed.length) return flash("Nothing is different.").focus();
  sending(
    form.querySelectorAll("button"),
    async () => {
      const settings = await patch(
        "/settings",
        Object.fromEntries(changed.map((input) => [input.name, value(input)])),
      );
      for (const input of inputs) write(input, settings[input.name]);
      flash("Saved.").focus();
    },
    explainIn(form, { language_unknown: "language" }),
  );
});

/** @param {HTMLInputElement} input @param {Setting} setting */
function write(input, setting) {
  input.value = input.defaultValue = setting.value === null ? "" : String(setting.value);
  const counts = byId(`${input.name}-usual`).querySelector(".counts");
  counts.hidden = setting.value === null || setting.value === setting.effective;
  say(counts.querySelector("span"), `${setting.effective?.toLocaleString()} ${setting.unit ?? ""}`.trim());
}
