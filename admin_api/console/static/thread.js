// @ts-check
/**
 * The thread page: reads are marked, messages are walked by keys, acts open with their field focused.
 *
 * - Only messages that are open for a second in a page that is seen are marked as read.
 * - <textarea data-mention>: `@` opens the list of teammates. Who is chosen is shown as a chip and
 *   becomes a value of `mentions`; an address that is only typed is offered, never mentioned in silence.
 */
import { hide } from "./combobox.js";
import { all, make, one, onKeys, recall, say, sent } from "./form.js";
import { offerTeam, team } from "./mention.js";

const TOKEN = /(^|\s)@([\w.+-]*(?:@[\w.-]*)?)$/;
const TYPED = /@([\w.+-]+@[\w-]+(?:\.[\w-]+)+)/g;

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
  const version = one('#acts [name="version"]');  // a live update meanwhile brings another one
  const answer = await sent(seen, seen.action, { only: open.map((each) => each.id.slice(2)).join(" "), version: version.value });
  if (answer?.status !== 204) return;
  for (const each of open) each.classList.replace("unread", "seen");  // as wide as before: nothing moves
  const mark = one('#acts [value="read"]');
  if (mark && !one(".message.unread", line))
    Object.assign(mark, { value: "unread", textContent: "Unread", title: "Mark as unread (U)" }).dataset.key = "U";
  version.value = answer.headers.get("ETag");
}

setTimeout(markRead, 1000);
document.addEventListener("visibilitychange", () => setTimeout(markRead, 1000));

// --- texts that fill a field

document.addEventListener("click", (event) => {
  const given = /** @type {any} */ (event.target).closest("[data-fill], [data-reply]")?.dataset ?? {};
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

// --- mentions

function write(/** @type {HTMLTextAreaElement} */ field) {
  const end = field.selectionStart, token = TOKEN.exec(field.value.slice(0, end));
  hide();
  if (token) offerTeam(field, token[2], ({ address }) => {
    field.setRangeText(`@${address} `, end - token[2].length - 1, end, "end");
    mention(address, "add");
  });
  offer();
}

const carrier = one("#note-mentions");
const mentions = () => new Set((carrier?.value ?? "").split(/[,;\s]+/).filter(Boolean));

/** Mention somebody, or do so no more. @param {string} address @param {"add" | "delete"} how */
function mention(address, how) {
  const chosen = mentions();
  chosen[how](address);
  carrier.value = [...chosen].join(", ");
  carrier.dispatchEvent(new Event("input", { bubbles: true }));
  draw();
  one("#note-body").focus();
}

/** @param {string} text @param {string} label @param {() => void} onclick */
const button = (text, label, onclick) => make("button", { type: "button", className: "chip", ariaLabel: label, onclick }, text);

function draw() {
  const chosen = mentions();
  one("#chips").replaceChildren(...[...chosen].map((address) =>
    button(`${address} ×`, `Do not mention ${address}`, () => mention(address, "delete"))));
  const opens = team().filter(({ address }) => chosen.has(address)).map(({ name, address, gets }) => `${name || address} ${gets}.`);
  one("#opens-now").replaceChildren(opens.join(" "));
  offer();
}

function offer() {
  const chosen = mentions(), typed = [...one("#note-body").value.matchAll(TYPED)].map((found) => found[1].toLowerCase());
  const left = team().filter(({ address, gets }) => gets && !chosen.has(address) && typed.includes(address.toLowerCase()));
  one("#offers").replaceChildren(...left.map(({ address }) =>
    button(`Mention ${address}?`, `Mention ${address}`, () => mention(address, "add"))));
}

document.addEventListener("input", (/** @type {any} */ { target }) => { if (target.matches("[data-mention]")) write(target); });

if (carrier) {
  carrier.after(make("div", { id: "chips" }), make("div", { id: "offers" }));
  carrier.type = "hidden";
  carrier.previousElementSibling.remove();
  carrier.addEventListener("change", draw);
  draw();
}

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
  ";": () => { const open = !messages().every(isOpen); for (const each of messages()) one("details", each).open = open; },
  v: nextView,
  w: () => links('[data-view="why"]')[0]?.click(),
});
