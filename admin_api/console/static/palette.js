// @ts-check
/**
 * The palette of acts (Ctrl+K), and pages shown in the dialog (help).
 *
 * Its entries are the links and buttons of the page that have a key or stand in a menu: it can do
 * nothing that the page cannot. A combobox with a listbox (WAI-ARIA APG).
 */

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
const MOST = 50;

/** @param {Element} one */
const label = (one) => {
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

export function open() {
  if (dialog.open) return;
  const all = entries();
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const field = document.createElement("input"), list = document.createElement("ul");
  /** @type {ReturnType<typeof entries>} */ let shown = [];
  let at = 0;
  const set = (/** @type {Element} */ one, /** @type {Record<string, string>} */ given) => {
    for (const name in given) one.setAttribute(name, given[name]);
  };
  set(field, { id: "palette", type: "text", role: "combobox", "aria-label": "Act or page", "aria-expanded": "true",
    "aria-controls": "palette-list", "aria-autocomplete": "list", autocomplete: "off", placeholder: "Type an act or a page" });
  set(list, { id: "palette-list", role: "listbox", "aria-label": "Acts and pages" });
  const mark = () => {
    [...list.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === at)));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", shown.length ? `palette-${at}` : "");
  };
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((one) => words.every((word) => one.name.toLowerCase().includes(word))).slice(0, MOST);
    list.replaceChildren(...shown.map((one, place) => {
      const row = document.createElement("li"), key = document.createElement("kbd"), name = document.createElement("bdi");
      set(row, { id: `palette-${place}`, role: "option" });
      name.textContent = one.name;
      key.textContent = one.key;
      row.append(name, ...(one.key ? [key] : []));
      row.onclick = () => choose(place);
      return row;
    }));
    at = 0;
    mark();
  };
  const choose = (/** @type {number} */ place) => {
    const chosen = shown[place];
    dialog.close();
    if (!chosen) return;
    before?.focus();
    document.dispatchEvent(new CustomEvent("postroom:act", { detail: chosen.one }));
    chosen.one.click();
    if (!chosen.one.matches("a, button, summary")) chosen.one.focus();
  };
  field.oninput = draw;
  field.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) { at = (at + step + shown.length) % shown.length; mark(); }
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  };
  dialog.setAttribute("aria-label", "Acts and pages");
  dialog.replaceChildren(field, list);
  dialog.showModal();
  field.focus();
  draw();
}

/** Show the content of a page of ours in the dialog. @param {string} href */
export async function show(href) {
  const answer = await fetch(href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main section");
  if (!answer.ok || !page) return location.assign(href);
  const end = document.createElement("button");
  end.textContent = "Close";
  end.onclick = () => dialog.close();
  dialog.setAttribute("aria-label", "Keys");
  dialog.replaceChildren(end, document.importNode(page, true));
  dialog.showModal();
  end.focus();
}
