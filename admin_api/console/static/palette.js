// @ts-check
/**
 * The palette of acts (Ctrl+K), and pages shown in the dialog (help).
 *
 * Its entries are the links and buttons of the page that have a key or stand in a menu: it can do
 * nothing that the page cannot.
 */
import { show as listUnder } from "./combobox.js";
import { fetched, make, raise } from "./form.js";

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
  const all = entries(), before = /** @type {HTMLElement | null} */ (document.activeElement);
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = all.filter((one) => words.every((/** @type {string} */ word) => one.name.toLowerCase().includes(word))).slice(0, MOST);
    const rows = shown.map(({ name, key }) => [make("bdi", {}, name), ...(key ? [make("kbd", {}, key)] : [])]);
    listUnder(field, "Acts and pages", rows, (place) => {
      dialog.close();
      before?.focus();
      press(shown[place].one);
    });
  };
  const field = make("input", { id: "palette", type: "text", "aria-label": "Act or page", autocomplete: "off",
    placeholder: "Type an act or a page", oninput: draw });
  if (raise("palette", "Acts and pages", field)) draw();
}

/** Show the content of a page of ours in the dialog. @param {string} href */
export async function show(href) {
  const page = (await fetched(href))?.querySelector("main section");
  if (!page) return location.assign(href);
  const end = make("button", { onclick: () => dialog.close() }, "Close");
  raise("help", page.querySelector("h1")?.textContent ?? "", end, document.importNode(page, true));
}
