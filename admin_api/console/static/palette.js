// @ts-check
/**
 * The palette of acts (Ctrl+K), and pages shown in the dialog (help).
 *
 * Its entries are the links and buttons of the page that have a key or stand in a menu: it can do
 * nothing that the page cannot. A combobox with a listbox (WAI-ARIA APG).
 */
import { fetched, make } from "./form.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
const MOST = 50;

const label = (/** @type {Element} */ one) => {
  const title = one.getAttribute("title") ?? "";
  const text = title.replace(/ \([^)]*\)$/, "") || one.getAttribute("aria-label") || (one.querySelector("bdi") ?? one).textContent;
  return (text ?? "").trim().replace(/\s+/g, " ");
};

function entries() {
  /** @type {Map<string, {name: string, key: string, one: HTMLElement}>} */
  const found = new Map();
  for (const each of document.querySelectorAll("[data-key], .views-of a, .menu :is(a, button)")) {
    const one = /** @type {HTMLElement} */ (each), name = label(one);
    if (name && (one.checkVisibility() || one.closest(".drop, .views-of")) && !found.has(name))
      found.set(name, { name, key: one.dataset.key ?? "", one });
  }
  return [...found.values()];
}

export function open(/** @type {(one: HTMLElement) => void} */ press) {
  if (dialog.open) return;
  const all = entries();
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  /** @type {ReturnType<typeof entries>} */ let shown = [];
  let at = 0;
  const field = make("input", { id: "palette", type: "text", role: "combobox", "aria-label": "Act or page", "aria-expanded": "true",
    "aria-controls": "palette-list", "aria-autocomplete": "list", autocomplete: "off", placeholder: "Type an act or a page" });
  const list = make("ul", { id: "palette-list", role: "listbox", "aria-label": "Acts and pages" });
  const mark = () => {
    [...list.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === at)));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", shown.length ? `palette-${at}` : "");
  };
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((one) => words.every((word) => one.name.toLowerCase().includes(word))).slice(0, MOST);
    list.replaceChildren(...shown.map((one, place) =>
      make("li", { id: `palette-${place}`, role: "option", onclick: () => choose(place) },
        make("bdi", {}, one.name), ...(one.key ? [make("kbd", {}, one.key)] : []))));
    at = 0; mark();
  };
  const choose = (/** @type {number} */ place) => {
    const chosen = shown[place];
    dialog.close();
    if (!chosen) return;
    before?.focus();
    press(chosen.one);
  };
  field.oninput = draw;
  field.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) { at = (at + step + shown.length) % shown.length; mark(); }
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  };
  dialog.setAttribute("aria-label", "Acts and pages");
  dialog.className = "palette";
  dialog.replaceChildren(field, list);
  dialog.showModal();
  field.focus();
  draw();
}

/** Show the content of a page of ours in the dialog. @param {string} href */
export async function show(href) {
  const page = (await fetched(href))?.querySelector("main section");
  if (!page) return location.assign(href);
  const end = make("button", { onclick: () => dialog.close() }, "Close");
  dialog.setAttribute("aria-label", "Keys");
  dialog.className = "help";
  dialog.replaceChildren(end, document.importNode(page, true));
  dialog.showModal();
  end.focus();
}
