// @ts-check
/**
 * Keys of every page: each single key presses, or focuses, the element that is named by data-key.
 *
 * - "g i" is g, then i within a second and a half. Off in fields, with Ctrl, Alt and Meta, while a
 *   dialog is open, and by the choice of this browser.
 * - Ctrl+K is the palette, Ctrl+Enter sends the form of a text, Escape closes what is open.
 * - A drop (<details class="drop">) opens with its field focused: the next key belongs to it.
 */
import { isKey } from "./form.js";
import { open, show } from "./palette.js";

let prefix = "", timer = 0;

function find(/** @type {string} */ name) {
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(`[data-key="${CSS.escape(name)}"]`)]);
  return all.find((one) => one.checkVisibility()) ?? all.find((one) => one.closest(".drop, .views-of"));
}

function press(/** @type {HTMLElement} */ one) {
  document.dispatchEvent(new CustomEvent("postroom:act", { detail: one }));
  if (one.matches("a, button, summary, [type=checkbox]")) return one.click();
  one.focus();
  if (one instanceof HTMLInputElement) one.select();
}

function taken(/** @type {string} */ key) {
  const name = prefix + key;
  prefix = "";
  clearTimeout(timer);
  const one = find(name);
  if (one) press(one);
  else if (document.querySelector(`[data-key^="${CSS.escape(name)} "]`)) {
    prefix = `${name} `;
    timer = setTimeout(() => { prefix = ""; }, 1500);
  } else return false;
  return true;
}

function close(/** @type {HTMLElement} */ field) {
  const drop = /** @type {HTMLDetailsElement | null} */ (field.closest(".drop[open]") ?? document.querySelector(".drop[open]"));
  if (drop) {
    drop.open = false;
    if (document.activeElement === field) drop.querySelector("summary")?.focus();
  } else if (field.matches("input, textarea")) field.blur();
  else if (document.querySelector("#toasts > *")) document.getElementById("toasts")?.replaceChildren();
  else find("u")?.click();
}

document.addEventListener("keydown", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented) return;
  if (event.ctrlKey && event.key === "Enter" && at instanceof HTMLTextAreaElement) {
    event.preventDefault();
    return at.form?.requestSubmit();
  }
  if (event.ctrlKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return open(press);
  }
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") return close(at);
  if (!isKey(event)) return;
  if (taken(event.key)) return event.preventDefault();
  if (parent === window || !"/?g".includes(event.key)) return;
  parent.focus();  // beside a list: what is not of the thread is there
  parent.document.body.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, bubbles: true, cancelable: true }));
});

/** Opened at once, not with the event that comes later. */
document.addEventListener("click", (event) => {
  const at = /** @type {Element} */ (event.target);
  const drop = /** @type {HTMLDetailsElement | null} */ (at.closest?.(".drop > summary")?.parentElement);
  for (const other of document.querySelectorAll(".drop[open]"))
    if (other !== drop && !other.contains(at)) /** @type {HTMLDetailsElement} */ (other).open = false;
  const help = /** @type {HTMLAnchorElement | null} */ (at.closest?.("a[data-dialog]"));
  if (help && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    show(help.href);
  }
  if (!drop) return;
  event.preventDefault();
  drop.open = !drop.open;
  const field = /** @type {HTMLElement | null} */ (drop.querySelector("input:not([type=hidden]), .menu :is(a, button)"));
  if (drop.open) field?.focus();
});
