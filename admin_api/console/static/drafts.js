// @ts-check
/**
 * Drafts: what is written in a textarea survives a reload, a closed tab, a lost session or server.
 *
 * - Each <textarea data-draft="user/inbox/thread/field"> is kept in localStorage with each key, beside
 *   the key of its form: sent again after a lost answer, it is saved once.
 * - A draft is deleted when the page says that the form of its key was saved, on signing out, and
 *   after 30 days.
 */
import { all, make, meta, one, recall, remember } from "./form.js";

const PREFIX = "draft/", KEPT = 30 * 24 * 3600 * 1000;

/** @typedef {{text: string, at: number, key: string, mentions: string}} Draft */

const names = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
const nameOf = (/** @type {HTMLElement} */ field) => PREFIX + field.dataset.draft;
/** Another field of its form. @param {HTMLTextAreaElement} field @param {string} name */
const beside = (field, name) => /** @type {HTMLInputElement | null | undefined} */ (field.form?.elements.namedItem(name));

function save(/** @type {HTMLTextAreaElement} */ field) {
  if (!field.value) return localStorage.removeItem(nameOf(field));
  const [key, mentions] = ["key", "mentions"].map((name) => beside(field, name)?.value ?? "");
  remember(localStorage, nameOf(field), JSON.stringify({ text: field.value, at: Date.now(), key, mentions }));
}

function restore(/** @type {HTMLTextAreaElement} */ field) {
  const draft = recall(localStorage, nameOf(field));
  if (field.value) return save(field);
  if (!draft.text) return;
  field.value = draft.text;
  for (const name of /** @type {const} */ (["key", "mentions"])) {
    const other = draft[name] && beside(field, name);
    if (!other) continue;
    other.value = draft[name];
    other.dispatchEvent(new Event("change", { bubbles: true }));
  }
  tell(field, draft);
}

function tell(/** @type {HTMLTextAreaElement} */ field, /** @type {Draft} */ draft) {
  const onclick = () => {
    field.value = "";
    localStorage.removeItem(nameOf(field));
    line.remove();
    field.focus();
  };
  const [now, then] = [Date.now(), draft.at].map((at) => new Date(at).toLocaleString("sv", { timeZone: meta("zone") }));
  const [day, hour] = then.split(" "), when = now.startsWith(day) ? hour.slice(0, 5) : day;
  const line = make("span", { className: "restored" }, `Draft of ${when} `,
    make("button", { type: "button", className: "plain", onclick }, "Discard"));
  field.closest(".sheet, form").lastElementChild.append(line);  // a line with room: nothing moves
}

document.addEventListener("input", (/** @type {any} */ { target }) => {
  const field = target.form && one("textarea[data-draft]", target.form);
  if (field) save(field);
});
document.addEventListener("submit", (/** @type {any} */ { target }) => {
  all("textarea[data-draft]", target).forEach(save);  // signing out in another tab removed it
  if (target.action.endsWith("/sign-out/")) names().forEach((name) => localStorage.removeItem(name));
});

/** Drop what was saved or is old, and put what is left into fields; those that are not new keep a text. */
function settle(isNew = true) {
  const saved = one("[data-saved]")?.dataset.saved;
  for (const name of names()) {
    const { key, at } = recall(localStorage, name);
    if (key === saved || !(Date.now() - at < KEPT)) localStorage.removeItem(name);
  }
  for (const field of all("textarea[data-draft]")) if (isNew || !field.value) restore(field);
}

settle();
document.addEventListener("htmx:after:swap", () => settle());
document.addEventListener("postroom:live", () => settle(false));
