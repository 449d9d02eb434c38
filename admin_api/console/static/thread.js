// @ts-check
/**
 * The thread page: reads are marked, messages are walked by keys, acts open with their field focused.
 *
 * - Only messages that are open for a second in a page that is seen are marked as read.
 */
import { all, one, onKeys, recall, remember, say, sent } from "./form.js";

const line = one("#timeline"), seen = one("#seen");
const isOpen = (/** @type {Element} */ message) => one(":scope > details", message).open;
const messages = () => all(":scope > li.message", line);
document.addEventListener("toggle", () => setTimeout(markRead, 1000), true);

const first = one(":scope > li.message.unread", line);
if (first && first !== line.firstElementChild && !location.hash) first.scrollIntoView();

// --- read marks

async function markRead() {
  const open = messages().filter((each) => each.matches(".unread") && isOpen(each));
  if (!seen || document.hidden || !open.length) return;
  const answer = await sent(seen, seen.action, { only: open.map((each) => each.id.slice(2)).join(" ") });
  if (answer?.status !== 204) return;
  for (const each of open) each.classList.replace("unread", "seen");  // as wide as before: nothing moves
  const mark = one('#acts [value="read"]'), version = one('#acts [name="version"]');
  if (mark && !one(".message.unread", line))
    Object.assign(mark, { value: "unread", textContent: "Unread", title: "Mark as unread (U)" }).dataset.key = "U";
  if (version) version.value = answer.headers.get("ETag");
}

setTimeout(markRead, 1000);
document.addEventListener("visibilitychange", () => setTimeout(markRead, 1000));

// --- views, remembered by sender

const sender = (/** @type {HTMLElement} */ link) => `view/${link.closest("li")?.dataset.sender ?? ""}`;

document.addEventListener("click", (event) => {
  const act = /** @type {any} */ (event.target).closest("[data-view], [data-fill], [data-reply]"), given = act?.dataset ?? {};
  if (["text", "html"].includes(given.view)) remember(localStorage, sender(act), given.view);
  if ("reply" in given) one("#answered")?.removeAttribute("hidden");
  if (!("fill" in given)) return;
  event.preventDefault();
  fill(given);
});

/** Add a text to a field, or copy it. @param {DOMStringMap} given */
function fill({ fill: into, text, subject }) {
  const filled = one("#filled"), added = text ?? filled?.textContent ?? "";
  if (!into) {
    if (filled) getSelection()?.selectAllChildren(filled);  // for whoever has no clipboard: by plain http
    return navigator.clipboard?.writeText(added).then(() => say("Copied"));
  }
  const field = one(`#${into}`);
  if (subject) one("#letter-subject").value = subject;
  field.value += (field.value && "\n") + added;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

// Behind htmx, which begins so, too: before it the link leads to a page of the message alone.
setTimeout(() => { for (const views of all("details[open] > .body > .views", line))
  all("[data-view]:not([aria-current])", views).find((view) => view.dataset.view === localStorage.getItem(sender(views)))?.click(); });

// --- keys

const touched = () => messages().findIndex((each) => each.contains(document.activeElement));

function walk(/** @type {number} */ step) {
  const at = touched(), next = at < 0 ? messages().at(step > 0 ? 0 : -1) : messages()[at + step];
  if (!next) return;
  one("summary", next).focus();
  next.scrollIntoView({ block: "nearest" });
}

/** Links of the message with the focus, or of the last that is open. @param {string} wanted */
function links(wanted) {
  const present = messages()[touched()] ?? messages().findLast(isOpen);
  return present ? all(wanted, present) : [];
}

function foldAll() {
  const open = !messages().every(isOpen);
  for (const each of messages()) one("details", each).open = open;
}

function nextView() {
  const views = links('.views a:not([data-view="why"])'), at = views.findIndex((each) => each.matches("[aria-current]"));
  views[(at + 1) % views.length]?.click();
}

const kept = recall(sessionStorage, "list");
const back = one(".back a");
if (kept.back) back.href = `${kept.back}#t-${location.pathname.split("/")[4]}`;
if (parent !== window) back.addEventListener("click", (/** @type {Event} */ event) => {  // beside its list
  event.preventDefault();
  parent.document.dispatchEvent(new CustomEvent("postroom:back"));
});

function turn(/** @type {number} */ step) {
  const order = kept.order ?? [], here = order.findIndex((path) => path.split("?")[0] === location.pathname);
  if (here >= 0 && order[here + step]) location.assign(order[here + step]);
}

onKeys({
  j: () => turn(1),
  k: () => turn(-1),
  ",": () => walk(-1),
  ".": () => walk(1),
  ";": foldAll,
  v: nextView,
  w: () => links('[data-view="why"]')[0]?.click(),
});
