// @ts-check
/**
 * The thread page: reads are marked, messages are walked by keys, acts open with their field focused.
 *
 * - An open message is not replaced or folded by what comes live.
 * - Only messages that are open for a second in a page that is seen are marked as read.
 */
import { isKey, say } from "./form.js";

const line = /** @type {HTMLElement} */ (document.getElementById("timeline"));
const acts = document.getElementById("acts");
const seen = /** @type {HTMLFormElement | null} */ (document.getElementById("seen"));

const isOpen = (/** @type {Element} */ one) => !!one.querySelector(":scope > details[open]");
const messages = () => [...line.querySelectorAll(":scope > li.message")];
for (const one of messages()) if (isOpen(one) && !one.querySelector(".pending")) one.setAttribute("data-dirty", "");

document.addEventListener("toggle", (event) => {
  const details = /** @type {HTMLDetailsElement} */ (event.target);
  if (!details.matches("details")) return;
  if (details.open) details.closest("li.message")?.setAttribute("data-dirty", "");
  if (details.matches(".drop")) acts?.toggleAttribute("data-live", !acts.querySelector("details[open]"));
  else if (details.open) setTimeout(markRead, 1000);
}, true);

const first = messages().find((one) => one.matches(".unread"));
if (first && first !== line.firstElementChild && !location.hash) first.scrollIntoView();

// --- read marks

async function markRead() {
  const open = messages().filter((one) => one.matches(".unread") && isOpen(one));
  if (!seen || document.hidden || !open.length) return;
  const form = new FormData(seen);
  form.set("only", open.map((one) => one.id.slice(2)).join(" "));
  const body = new URLSearchParams(/** @type {any} */ (form));
  const answer = await fetch(seen.action, { method: "POST", body }).catch(() => null);
  if (answer?.status !== 204) return;
  for (const one of open) one.classList.replace("unread", "seen");  // as wide as before: nothing moves
  const mark = /** @type {HTMLButtonElement | null} */ (document.querySelector('#acts [value="read"]'));
  if (mark && !messages().some((one) => one.matches(".unread")))
    Object.assign(mark, { value: "unread", textContent: "Unread", title: "Mark as unread (U)" }).dataset.key = "U";
  const version = /** @type {HTMLInputElement | null} */ (document.querySelector('#acts [name="version"]'));
  if (version) version.value = answer.headers.get("ETag") ?? "";
}

setTimeout(markRead, 1000);
document.addEventListener("visibilitychange", () => setTimeout(markRead, 1000));

// --- views, remembered by sender

const sender = (/** @type {Element} */ one) => `view/${one.closest("li")?.dataset.sender ?? ""}`;

document.addEventListener("click", (event) => {
  const one = /** @type {Element} */ (event.target).closest?.("a[data-view], [data-fill], [data-reply]");
  if (!one) return;
  const view = one.getAttribute("data-view") ?? "";
  if (view === "text" || view === "html") localStorage.setItem(sender(one), view);
  if (one.matches("[data-reply]")) document.getElementById("answered")?.removeAttribute("hidden");
  if (!one.matches("[data-fill]")) return;
  event.preventDefault();
  fill(/** @type {HTMLElement} */ (one).dataset);
});

/** Add a text to a field, or copy it. @param {DOMStringMap} given */
function fill({ fill: into, text, subject }) {
  const filled = document.getElementById("filled"), added = text ?? filled?.textContent ?? "";
  if (!into) {
    if (filled) getSelection()?.selectAllChildren(filled);  // for whoever has no clipboard: by plain http
    return navigator.clipboard?.writeText(added).then(() => say("Copied"));
  }
  const field = /** @type {HTMLTextAreaElement} */ (document.getElementById(into));
  const title = /** @type {HTMLInputElement | null} */ (subject ? document.getElementById("letter-subject") : null);
  if (title) title.value = subject ?? "";
  field.value += (field.value && "\n") + added;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

for (const one of line.querySelectorAll("details[open] > .body > .views")) {
  const wanted = localStorage.getItem(sender(one));
  const link = /** @type {HTMLElement | null} */ (one.querySelector(`[data-view="${wanted}"]:not([aria-current])`));
  link?.click();
}

// --- keys

function walk(/** @type {number} */ step) {
  const all = messages(), at = all.findIndex((one) => one.contains(document.activeElement));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
  next?.querySelector("summary")?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function present() {
  const all = messages();
  return all.find((one) => one.contains(document.activeElement)) ?? all.findLast(isOpen);
}

function foldAll() {
  const all = messages(), open = !all.every(isOpen);
  for (const one of all) /** @type {HTMLDetailsElement} */ (one.querySelector("details")).open = open;
}

function nextView() {
  const links = [...(present()?.querySelectorAll('.views a:not([data-view="why"])') ?? [])];
  const at = links.findIndex((one) => one.matches("[aria-current]"));
  /** @type {HTMLElement | undefined} */ (links[(at + 1) % links.length])?.click();
}

/** @type {{at?: string, back?: string, order?: string[]}} */
const kept = JSON.parse(sessionStorage.getItem("list") ?? "{}");
const back = document.querySelector(".back a");
if (kept.back) back?.setAttribute("href", `${kept.back}#t-${location.pathname.split("/")[4]}`);
if (parent !== window) back?.addEventListener("click", (event) => {  // beside its list
  event.preventDefault();
  parent.document.dispatchEvent(new CustomEvent("postroom:back"));
});

function turn(/** @type {number} */ step) {
  const order = kept.order ?? [], here = order.findIndex((one) => one.split("?")[0] === location.pathname);
  const next = here < 0 ? undefined : order[here + step];
  if (next) location.assign(next);
}

/** @type {Record<string, () => void>} */
const KEYS = {
  j: () => turn(1),
  k: () => turn(-1),
  ",": () => walk(-1),
  ".": () => walk(1),
  ";": foldAll,
  v: nextView,
  w: () => /** @type {HTMLElement | null | undefined} */ (present()?.querySelector('[data-view="why"]'))?.click(),
};

document.addEventListener("keydown", (event) => {
  if (!isKey(event) || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
