// @ts-check
/**
 * Keys of every page: each single key presses, or focuses, the element that is named by data-key.
 *
 * - "g i" is g, then i within a second and a half. Off in fields, with Ctrl, Alt and Meta, while a
 *   dialog is open, and by the choice of this browser.
 * - Ctrl+K is the palette: the links and buttons of the page that have a key or stand in a menu, by
 *   name. Ctrl+Enter sends the form of a text, Escape closes what is open.
 * - A drop (<details class="drop">) opens with its field focused: the next key belongs to it.
 */
import { show as offer } from "./combobox.js";
import { all, isAsking, isKey, make, one, raise, show, toast } from "./form.js";

let prefix = "", timer = 0;

/** The element of a key, if it is seen or within a menu. */
function find(/** @type {string} */ name) {
  const named = all(`[data-key="${CSS.escape(name)}"]`);
  return named.find((each) => each.checkVisibility()) ?? named.find((each) => each.closest(".drop, .views-of"));
}

function press(/** @type {HTMLElement} */ act) {
  document.dispatchEvent(new CustomEvent("postroom:act", { detail: act }));
  if (act.matches("a, button, summary, [type=checkbox]")) return act.click();
  act.focus();
  if (act.matches("input")) /** @type {HTMLInputElement} */ (act).select();
}

function taken(/** @type {string} */ key) {
  const name = prefix + key, act = find(name);
  prefix = "";
  clearTimeout(timer);
  if (act) press(act);
  else if (one(`[data-key^="${CSS.escape(name)} "]`)) {
    prefix = `${name} `;
    timer = setTimeout(() => { prefix = ""; }, 1500);
  } else return false;
  return true;
}

function close(/** @type {HTMLElement} */ field) {
  const drop = field.closest(".drop[open]") ?? one(".drop[open]");
  if (drop) {
    drop.open = false;
    if (document.activeElement === field) one("summary", drop).focus();
  } else if (field.matches("input, textarea")) field.blur();
  else if (one("#toasts > *")) toast();
  else if (find("u")) find("u").click(); else document.dispatchEvent(new Event("postroom:back"));
}

document.addEventListener("keydown", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented) return;
  if (event.ctrlKey && event.key === "Enter" && at.matches("textarea")) {
    event.preventDefault();
    return /** @type {HTMLTextAreaElement} */ (at).form?.requestSubmit();
  }
  if (event.ctrlKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return palette();
  }
  if (isAsking()) return;
  if (event.key === "Escape") return close(at);
  if (!isKey(event)) return;
  if (taken(event.key)) return event.preventDefault();
  if (parent === window || !"/?g".includes(event.key)) return;
  parent.focus();  // beside a list: what is not of the thread is there
  parent.document.body.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, bubbles: true, cancelable: true }));
});

// --- the palette

/** What an act is called: its title without the key, or its text. */
function label(/** @type {HTMLElement} */ act) {
  const text = act.title.replace(/ \([^)]*\).*$/, "") || act.ariaLabel || (one("bdi", act) ?? act).textContent;
  return text.trim().replace(/\s+/g, " ");
}

function entries() {
  /** @type {Map<string, HTMLElement>} */
  const found = new Map();
  const beside = all(".top [data-key], .views-of a", parent.document);  // those of the list, where a thread is in its pane
  for (const act of [...all("[data-key], .views-of a, .menu :is(a, button)"), ...beside])
    if ((act.checkVisibility() || act.closest(".drop, .views-of")) && !found.has(label(act))) found.set(label(act), act);
  found.delete("");
  return [...found];
}

function palette() {
  const known = entries(), before = /** @type {HTMLElement | null} */ (document.activeElement);
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    const shown = known.filter(([name]) => words.every((/** @type {string} */ word) => name.toLowerCase().includes(word))).slice(0, 50);
    const rows = shown.map(([name, { dataset }]) => [make("bdi", {}, name), ...(dataset.key ? [make("kbd", {}, dataset.key)] : [])]);
    offer(field, "Acts and pages", rows, (place) => {
      one("#dialog").close();
      before?.focus();
      press(shown[place][1]);
    });
  };
  const field = make("input", { id: "palette", type: "text", "aria-label": "Act or page", autocomplete: "off",
    placeholder: "Type an act or a page", oninput: draw });
  if (raise("palette", "Acts and pages", field)) draw();
}

/** Opened at once, not with the event that comes later. */
document.addEventListener("click", (event) => {
  const at = /** @type {Element} */ (event.target), drop = /** @type {HTMLDetailsElement | null} */ (at.closest(".drop > summary")?.parentElement);
  for (const other of all(".drop[open]")) if (other !== drop && !other.contains(at)) other.open = false;
  const help = /** @type {HTMLAnchorElement | null} */ (at.closest("a[data-dialog]"));
  if (help && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    show(help.href).then((isShown) => isShown || location.assign(help.href));
  }
  if (!drop) return;
  event.preventDefault();
  drop.open = !drop.open;
  if (drop.open) one("input:not([type=hidden]), .menu :is(a, button)", drop)?.focus();
});
