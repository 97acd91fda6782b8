// People: add, rename, give a role, deactivate; and the tokens of each, issued once and revoked.

import { announce } from "./announce.js";
import { get, me, patch, post, remove } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, say } from "./dom.js";
import { flash } from "./flash.js";
import { clearErrors, explainIn, showErrors } from "./form_errors.js";
import { sending } from "./sending.js";
import { ago, moment, plural, ROLE, TOKEN } from "./words.js";

const PAGE = 20; // tokens at a time
const NAME_OF = { name_invalid: "name" };

const add = /** @type {Form} */ (byId("add"));
const known = new Map(); // id → the person
let made = 0; // ids of fields in panels

/** @returns {any} */
const fresh = (id) => /** @type {HTMLTemplateElement} */ (byId(id)).content.firstElementChild.cloneNode(true);
const rowOf = (id) => document.querySelector(`.person[data-id="${CSS.escape(id)}"]`);

async function load() {
  try {
    const { items } = await get("/people?all=true");
    for (const person of items) put(person);
  } catch {
    flash("The list cannot be brought up to date; it is as it was when the page was loaded.", "bad");
  }
}

// Show a person in the group where they belong, in the place of their name.
/** @param {Colleague} person */
function put(person) {
  const row = rowOf(person.id) ?? fresh("person");
  known.set(person.id, person);
  write(row, person);
  const list = listOf(person).querySelector("ul");
  if (row.parentNode !== list || !row.isConnected) list.insertBefore(row, after(list, person));
  for (const group of ["persons", "services", "gone"]) count(byId(group));
  byId("gone-box").hidden = byId("gone").querySelector("ul").childElementCount === 0;
  return row;
}

function listOf(person) {
  if (person.deactivated_at) return byId("gone");
  return byId(person.kind === "service" ? "services" : "persons");
}

const after = (list, person) =>
  [...list.children].find((row) => known.get(row.dataset.id)?.name.localeCompare(person.name) > 0) ?? null;

function count(group) {
  const rows = group.querySelector("ul").childElementCount;
  say(group.querySelector(".count"), String(rows));
  group.querySelector(".empty").hidden = rows > 0;
}

/** @param {Colleague} person */
function write(row, person) {
  row.dataset.id = person.id;
  say(row.querySelector(".name"), person.name);
  say(row.querySelector(".role"), ROLE[person.role]);
  row.querySelector(".role").dataset.role = person.role;
  row.querySelector(".you").hidden = person.id !== me.id;
  say(row.querySelector(".facts"), facts(person));
  for (const button of row.querySelectorAll(".line button"))
    button.setAttribute("aria-label", `${button.textContent}: ${person.name}`);
}

/** @param {Colleague} person */
function facts(person) {
  const seen = person.last_seen_at ? `Last seen ${ago(person.last_seen_at)}` : "Never seen";
  const gone = person.deactivated_at && `without access since ${moment(person.deactivated_at)}`;
  return [seen, person.claims > 0 && plural(person.claims, "claim"), gone].filter(Boolean).join(" · ");
}

add.addEventListener("submit", (event) => {
  event.preventDefault();
  clearErrors(add);
  const values = Object.fromEntries(["name", "role", "kind"].map((name) => [name, add.elements[name].value.trim()]));
  if (!values.name) return showErrors(add, [["name", "A name is needed."]]);
  sending(
    add.querySelectorAll("button"),
    async () => {
      const person = await post("/people", values);
      add.reset();
      const row = put(person);
      announce(`${person.name} is added.`);
      await open(row, "tokens"); // the next thing that somebody new needs
      row.querySelector(".issue [name=name]").focus();
    },
    explainIn(add, { codes: NAME_OF }),
  );
});

document.querySelector("main").addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest(".person .line button[data-act]");
  if (!button) return;
  const row = button.closest(".person");
  if (button.getAttribute("aria-expanded") === "true") close(row);
  else open(row, button.dataset.act);
});

function close(row) {
  row.querySelector(".panel-form")?.remove();
  for (const button of row.querySelectorAll(".line button")) button.setAttribute("aria-expanded", "false");
}

const PANELS = { change: changePanel, tokens: tokensPanel };

// Whether the script knows this person, as soon as it can.
async function isKnown(id) {
  await loaded;
  if (!known.has(id)) {
    loaded = load();
    await loaded;
  }
  return known.has(id);
}

async function open(row, act) {
  if (!(await isKnown(row.dataset.id))) return;
  close(row);
  row.querySelector(`[data-act="${act}"]`).setAttribute("aria-expanded", "true");
  const panel = fresh(act);
  for (const label of panel.querySelectorAll("label")) {
    const control = label.nextElementSibling;
    control.id = `f-${++made}`;
    label.htmlFor = control.id;
  }
  row.append(panel);
  await PANELS[act](row, panel);
}

function changePanel(row, form) {
  const person = known.get(row.dataset.id);
  form.elements.name.value = person.name;
  form.elements.role.value = person.role;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(row, form);
  });
  form.querySelector("[data-act=deactivate]").addEventListener("click", () => deactivate(row, form));
  form.elements.name.focus();
}

function save(row, form) {
  clearErrors(form);
  const before = known.get(row.dataset.id);
  const [name, role] = [form.elements.name.value.trim(), form.elements.role.value];
  if (!name) return showErrors(form, [["name", "A name is needed."]]);
  const changed = { ...(name !== before.name && { name }), ...(role !== before.role && { role }) };
  const act = async () => {
    const person = await patch(`/people/${before.id}`, changed);
    if (person.id === me.id && role !== before.role) return location.reload(); // this page may not be theirs any more
    put(person);
    close(row);
    row.querySelector("[data-act=change]").focus();
    done(`${person.name} is saved${returned(person)}.`);
  };
  return sending(
    form.querySelectorAll("button"),
    act,
    explainIn(form, { codes: { ...NAME_OF, last_admin: "role" } }),
  );
}

const returned = (person) =>
  person.claims_returned > 0 ? `; ${plural(person.claims_returned, "claim")} back in the queue` : "";

async function deactivate(row, form) {
  clearErrors(form);
  const person = known.get(row.dataset.id);
  const whose = person.claims > 0 ? ` ${plural(person.claims, "claim")} will go back to the queue.` : "";
  const [They, Their, their] = person.id === me.id ? ["You", "Your", "your"] : ["They", "Their", "their"];
  const text =
    `${They} are signed out and ${their} tokens stop working.${whose}` +
    ` ${Their} name stays on what was done. This cannot be undone.`;
  if (!(await confirmed(`Deactivate ${person.name}?`, text, "Deactivate", "Cancel"))) return;
  const act = async () => {
    const gone = await remove(`/people/${person.id}`);
    if (gone.id === me.id) return location.reload();
    close(row);
    put(gone);
    flash(`${gone.name} has no access any more${returned(gone)}.`).focus();
  };
  await sending(form.querySelectorAll("button"), act, explainIn(form, { codes: { last_admin: "role" } }));
}

async function tokensPanel(row, panel) {
  const id = row.dataset.id;
  const form = panel.querySelector("form");
  const more = panel.querySelector(".more");
  if (known.get(id).deactivated_at) form.remove();
  else
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      issue(row, panel, form);
    });
  more.addEventListener("click", () => sending([more], () => older(panel, id)));
  await sending([], () => older(panel, id));
}

async function older(panel, id) {
  const more = panel.querySelector(".more");
  const page = more.dataset.page ? { page: more.dataset.page } : {};
  const answer = await get(`/people/${id}/tokens?${new URLSearchParams({ limit: String(PAGE), ...page })}`);
  panel.querySelector("ul").append(...answer.items.map(tokenRow));
  panel.querySelector(".none").hidden = panel.querySelector("ul").childElementCount > 0;
  more.dataset.page = answer.next_page ?? "";
  more.hidden = !answer.next_page;
}

/** @param {Token} token */
function tokenRow(token) {
  const name = token.name ?? `${token.prefix}…`;
  const uses = token.last_used_at ? `used ${ago(token.last_used_at)}` : "never used";
  const facts = [token.name && `${token.prefix}…`, ending(token), uses].filter(Boolean).join(" · ");
  const row = el(
    "li",
    { className: "token", data: { state: token.state } },
    el(
      "div",
      {},
      el("span", { className: "name" }, name),
      el("span", { className: "badge", data: { state: token.state } }, TOKEN[token.state]),
      el("p", { className: "facts" }, facts),
    ),
    token.state === "active" &&
      el(
        "button",
        {
          type: "button",
          className: "quiet",
          attrs: { "aria-label": `Revoke ${name}` },
          on: { click: () => revoke(row, token, name) },
        },
        "Revoke…",
      ),
  );
  return row;
}

/** @param {Token} token */
function ending(token) {
  if (token.revoked_at) return `revoked ${moment(token.revoked_at)}`;
  if (!token.expires_at) return "no end";
  return `${token.state === "expired" ? "ended" : "ends"} ${moment(token.expires_at)}`;
}

function issue(row, panel, form) {
  clearErrors(form);
  const name = form.elements.name.value.trim();
  if (!name) return showErrors(form, [["name", "What it is for is needed."]]);
  const days = form.elements.expires_days.value;
  const act = async () => {
    const token = await post(`/people/${row.dataset.id}/tokens`, { name, expires_days: days ? Number(days) : null });
    form.reset();
    panel.querySelector("ul").prepend(tokenRow(token));
    panel.querySelector(".none").hidden = true;
    showSecret(panel, token.token);
  };
  return sending(form.querySelectorAll("button"), act, explainIn(form, { codes: NAME_OF }));
}

function showSecret(panel, secret) {
  panel.querySelector(".issued")?.remove();
  const box = fresh("issued");
  const field = box.querySelector("input");
  const copy = box.querySelector("[data-act=copy]");
  field.id = `f-${++made}`;
  box.querySelector("label").htmlFor = field.id;
  field.value = secret;
  copy.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(secret);
      say(copy, "Copied");
      announce("The token is copied.");
    } catch {
      announce("Copying is not allowed here; the token is selected."); // as without https
    }
  });
  box.querySelector("[data-act=done]").addEventListener("click", () => {
    box.remove();
    panel.querySelector(".issue [name=name]").focus();
  });
  panel.prepend(box);
  box.focus();
}

async function revoke(row, token, name) {
  const text = "Whatever uses it writes nothing from now on and reads nothing within 30 seconds.";
  if (!(await confirmed(`Revoke ${name}?`, text, "Revoke", "Cancel"))) return;
  await sending(row.querySelectorAll("button"), async () => {
    const panel = row.closest(".panel-form");
    row.replaceWith(tokenRow(await remove(`/tokens/${token.id}`)));
    done(`${name} is revoked.`);
    panel.querySelector(".issue [name=name]")?.focus();
  });
}

function done(text) {
  byId("flash").replaceChildren();
  announce(text);
}

let loaded = load();
