// @ts-check
/**
 * Drafts: what is written in a textarea survives a reload, a closed tab, a lost session or server.
 *
 * - Each <textarea data-draft="user/inbox/thread/field"> is kept in localStorage, at most 300 ms after
 *   a key, with the key of its form: sent again after a lost answer, it is saved once.
 * - A draft is deleted when the page says that the form of its key was saved, on signing out, and
 *   after 30 days.
 */
import { make, meta } from "./form.js";

const PREFIX = "draft/", AFTER = 300, KEPT = 30 * 24 * 3600 * 1000;

/** @typedef {{text: string, at: number, key: string, mentions: string}} Draft */

/** @param {string} name @returns {Draft | null} */
function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

const names = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
const fields = () => /** @type {NodeListOf<HTMLTextAreaElement>} */ (document.querySelectorAll("textarea[data-draft]"));

/** @param {HTMLTextAreaElement} field @param {string} name */
const beside = (field, name) => /** @type {HTMLInputElement | null} */ (field.form?.querySelector(`[name="${name}"]`));

function save(/** @type {HTMLTextAreaElement} */ field) {
  const name = PREFIX + field.dataset.draft;
  if (!field.value) return localStorage.removeItem(name);
  const [key, mentions] = ["key", "mentions"].map((one) => beside(field, one)?.value ?? "");
  const draft = { text: field.value, at: Date.now(), key, mentions };
  try {
    localStorage.setItem(name, JSON.stringify(draft));
  } catch {
    // Full: the text stays in the page.
  }
}

function restore(/** @type {HTMLTextAreaElement} */ field) {
  const draft = read(PREFIX + field.dataset.draft);
  if (field.value) return save(field);
  if (!draft?.text) return;
  field.value = draft.text;
  put(field, "key", draft.key);
  put(field, "mentions", draft.mentions);
  tell(field, draft);
}

function put(/** @type {HTMLTextAreaElement} */ field, /** @type {string} */ name, /** @type {string} */ value) {
  const one = beside(field, name);
  if (!one || !value) return;
  one.value = value;
  one.dispatchEvent(new Event("change", { bubbles: true }));
}

function tell(/** @type {HTMLTextAreaElement} */ field, /** @type {Draft} */ draft) {
  const onclick = () => {
    field.value = "";
    localStorage.removeItem(PREFIX + field.dataset.draft);
    line.remove();
    field.focus();
  };
  const [now, then] = [Date.now(), draft.at].map((at) => new Date(at).toLocaleString("sv", { timeZone: meta("zone") }));
  const [day, hour] = then.split(" "), when = now.startsWith(day) ? hour.slice(0, 5) : day;
  const line = make("p", { className: "faint restored" }, `Draft of ${when} `,
    make("button", { type: "button", className: "plain", onclick }, "Discard"));
  field.before(line);
}

/** @type {Map<HTMLTextAreaElement, number>} */
const waiting = new Map();

function flush() {
  for (const [field, timer] of waiting) {
    clearTimeout(timer);
    save(field);
  }
  waiting.clear();
}

document.addEventListener("input", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  const field = at.matches("textarea[data-draft]") ? at : at.closest("form")?.querySelector("textarea[data-draft]");
  if (!(field instanceof HTMLTextAreaElement) || waiting.has(field)) return;
  waiting.set(field, setTimeout(() => { waiting.delete(field); save(field); }, AFTER));
});
addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", flush);
document.addEventListener("submit", (event) => {
  flush();
  if (/** @type {HTMLFormElement} */ (event.target).action.endsWith("/console/sign-out/"))
    for (const name of names()) localStorage.removeItem(name);
});

const saved = document.querySelector("[data-saved]")?.getAttribute("data-saved");
for (const name of names()) {
  const draft = read(name);
  if (!draft || draft.key === saved || Date.now() - draft.at > KEPT) localStorage.removeItem(name);
}
const restoreAll = () => { for (const field of fields()) restore(field); };
restoreAll();
document.addEventListener("postroom:live", () => { for (const field of fields()) if (!field.value) restore(field); });
