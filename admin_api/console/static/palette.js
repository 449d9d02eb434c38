// @ts-check
/**
 * The palette of acts (Ctrl+K).
 *
 * Its entries are the links and buttons of the page that have a key or stand in a menu: it can do
 * nothing that the page cannot.
 */
import { show } from "./combobox.js";
import { all, make, one, raise } from "./form.js";

const MOST = 50;

/** What an act is called: its title without the key, or its text. */
function label(/** @type {HTMLElement} */ act) {
  const text = act.title.replace(/ \([^)]*\).*$/, "") || act.ariaLabel || (one("bdi", act) ?? act).textContent;
  return text.trim().replace(/\s+/g, " ");
}

function entries() {
  /** @type {Map<string, HTMLElement>} */
  const found = new Map();
  for (const act of all("[data-key], .views-of a, .menu :is(a, button)"))
    if ((act.checkVisibility() || act.closest(".drop, .views-of")) && !found.has(label(act))) found.set(label(act), act);
  found.delete("");
  return [...found];
}

export function open(/** @type {(act: HTMLElement) => void} */ press) {
  const known = entries(), before = /** @type {HTMLElement | null} */ (document.activeElement);
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    const shown = known.filter(([name]) => words.every((/** @type {string} */ word) => name.toLowerCase().includes(word))).slice(0, MOST);
    const rows = shown.map(([name, { dataset }]) => [make("bdi", {}, name), ...(dataset.key ? [make("kbd", {}, dataset.key)] : [])]);
    show(field, "Acts and pages", rows, (place) => {
      one("#dialog").close();
      before?.focus();
      press(shown[place][1]);
    });
  };
  const field = make("input", { id: "palette", type: "text", "aria-label": "Act or page", autocomplete: "off",
    placeholder: "Type an act or a page", oninput: draw });
  if (raise("palette", "Acts and pages", field)) draw();
}
