// @ts-check
/**
 * Options in a list under a field (WAI-ARIA APG: combobox with a listbox).
 *
 * Arrows walk, Enter or the mouse chooses, Escape closes, and so does leaving the field.
 */
import { make } from "./form.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

/** @type {{field: Field, list: HTMLElement, told: object, at: number, choose: (place: number) => void} | null} */
let open = null;

/**
 * @param {Field} field @param {string} label @param {(Node | string)[][]} rows what each option shows
 * @param {(place: number) => void} choose
 * @param {number} [first] the one that Enter takes; -1: none, until an arrow chooses one
 */
export function show(field, label, rows, choose, first = 0) {
  hide();
  if (!rows.length) return;
  const list = make("ul", { id: "options", role: "listbox", "aria-label": label }, ...rows.map((row, place) => {
    const onmousedown = (/** @type {Event} */ event) => { event.preventDefault(); pick(place); };
    return make("li", { id: `option-${place}`, role: "option", onmousedown }, ...row);
  }));
  field.after(list);
  const combobox = field.matches("input") ? { role: "combobox", "aria-expanded": "true" } : {};  // no textarea may be one
  const told = { "aria-controls": "options", "aria-autocomplete": "list", "aria-activedescendant": "", ...combobox };
  for (const [name, value] of Object.entries(told)) field.setAttribute(name, value);
  open = { field, list, told, at: first, choose };
  move(0);
}

export function hide() {
  open?.list.remove();
  for (const name in open?.told) open?.field.removeAttribute(name);
  open = null;
}

function move(/** @type {number} */ step) {
  if (!open) return;
  const { field, list, at } = open, count = list.children.length;
  open.at = step ? (Math.max(at, step > 0 ? -1 : 0) + step + count) % count : at;
  for (const one of list.children) one.setAttribute("aria-selected", String(one === list.children[open.at]));
  if (open.at < 0) return;
  field.setAttribute("aria-activedescendant", `option-${open.at}`);
  list.children[open.at].scrollIntoView({ block: "nearest" });
}

function pick(/** @type {number} */ place) {
  const choose = open?.choose;
  hide();
  choose?.(place);
}

document.addEventListener("keydown", (event) => {
  if (!open || event.target !== open.field || event.ctrlKey) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) move(step);
  else if (event.key === "Enter" && open.at >= 0) pick(open.at);
  else if (event.key === "Escape" && !open.field.closest("dialog")) hide();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("focusout", hide);
