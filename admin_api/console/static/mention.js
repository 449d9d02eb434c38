// @ts-check
/**
 * Teammates as a list under a field (WAI-ARIA APG: combobox with a listbox).
 *
 * - <input data-people> takes one address: chosen, its form is sent ("send") or the text field behind
 *   it is focused ("next").
 * - <textarea data-mention>: `@` opens the list. Who is chosen is shown as a chip and becomes a value
 *   of `mentions`; an address that is only typed is offered, never mentioned in silence.
 */
import { fetched, make } from "./form.js";

/** @typedef {{address: string, name: string}} Person */
/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

const MOST = 8;
const TOKEN = /(^|\s)@([\w.+-]*(?:@[\w.-]*)?)$/;
const TYPED = /@([\w.+-]+@[\w-]+(?:\.[\w-]+)+)/g;

/** @type {{field: Field, found: Person[], at: number, choose: (one: Person) => void} | null} */
let open = null;

/** @returns {Person[]} */
const team = () => [...document.querySelectorAll("#team option")].map((one) => {
  const { value, label } = /** @type {HTMLOptionElement} */ (one);
  return { address: value, name: label === value ? "" : label };
});

function matching(/** @type {string} */ asked) {
  const wanted = asked.trim().toLowerCase();
  const rank = (/** @type {Person} */ one) => {
    const address = one.address.toLowerCase(), words = one.name.toLowerCase().split(/\s+/);
    if (address.startsWith(wanted) || words.some((word) => word.startsWith(wanted))) return one.name !== "me" ? 1 : wanted ? 2 : 0;
    return address.includes(wanted) ? 2 : 3;
  };
  return team().map((one) => ({ one, rank: rank(one) })).filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank).slice(0, MOST).map((each) => each.one);
}

/**
 * @param {Field} field @param {Person[]} found @param {(one: Person) => void} choose
 * @param {number} [first] the one that Enter takes; -1: none, until an arrow chooses one
 */
function show(field, found, choose, first = 0) {
  hide();
  if (!found.length) return;
  open = { field, found, at: first, choose };
  field.after(make("ul", { id: "people", role: "listbox", "aria-label": first < 0 ? "Suggestions" : "Teammates" },
    ...found.map((one, place) => {
      const name = make("bdi", { className: first < 0 ? "faint" : "" }, one.name), address = make("bdi", {}, one.address);
      const onmousedown = (/** @type {Event} */ event) => { event.preventDefault(); pick(place); };
      return make("li", { id: `people-${place}`, role: "option", onmousedown },
        ...(first < 0 ? [address, " ", name] : [name, " ", address]));
    })));
  const combobox = field.matches("input") ? { role: "combobox", "aria-expanded": "true" } : {};  // no textarea may be one
  const told = { "aria-controls": "people", "aria-autocomplete": "list", ...combobox };
  for (const [name, value] of Object.entries(told)) field.setAttribute(name, value);
  move(0);
}

function hide() {
  if (!open) return;
  document.getElementById("people")?.remove();
  for (const name of ["role", "aria-expanded", "aria-controls", "aria-autocomplete", "aria-activedescendant"])
    open.field.removeAttribute(name);
  open = null;
}

function move(/** @type {number} */ step) {
  if (!open) return;
  const count = open.found.length;
  open.at = step ? (Math.max(open.at, step > 0 ? -1 : 0) + step + count) % count : open.at;
  document.querySelectorAll("#people > li").forEach((one, place) =>
    one.setAttribute("aria-selected", String(place === open?.at)));
  if (open.at >= 0) open.field.setAttribute("aria-activedescendant", `people-${open.at}`);
}

function pick(/** @type {number} */ place) {
  if (!open) return;
  const { found, choose } = open;
  hide();
  choose(found[place]);
}

document.addEventListener("keydown", (event) => {
  if (!open || event.target !== open.field || event.ctrlKey) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) move(step);
  else if (event.key === "Enter" && open.at >= 0) pick(open.at);
  else if (event.key === "Escape") hide();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("focusout", hide);

// --- one teammate

function ask(/** @type {HTMLInputElement} */ field) {
  field.removeAttribute("list");
  show(field, matching(field.value), (one) => {
    field.value = one.address;
    if (field.dataset.people === "send") field.form?.requestSubmit();
    else field.form?.querySelector("textarea")?.focus();
  });
}

for (const name of ["focusin", "input"])
  document.addEventListener(name, (event) => {
    const field = /** @type {HTMLElement} */ (event.target);
    if (name === "input" && field.matches("[data-suggest]")) suggest(/** @type {HTMLInputElement} */ (field));
    if (field.matches("input[data-people]")) ask(/** @type {HTMLInputElement} */ (field));
    if (name === "input" && field.matches("[data-mention]")) write(/** @type {HTMLTextAreaElement} */ (field));
  });

// --- the search box

let typing = 0;

/** Offer what the word at the end can become. @param {HTMLInputElement} field */
function suggest(field) {
  clearTimeout(typing);
  hide();
  const word = /\S*$/.exec(field.value)?.[0] ?? "", typed = field.value;
  if (!word) return;
  typing = setTimeout(async () => {
    const page = await fetched(`${field.dataset.suggest}?q=${encodeURIComponent(word)}`, true);
    if (!page || field.value !== typed || document.activeElement !== field) return;
    const found = [...page.querySelectorAll("option")].map((one) => ({ address: one.value, name: one.label }));
    show(field, found, (one) => {
      field.value = typed.slice(0, typed.length - word.length) + one.address + (one.address.endsWith(":") ? "" : " ");
      suggest(field);
    }, -1);
  }, 120);
}

// --- mentions

function write(/** @type {HTMLTextAreaElement} */ field) {
  const end = field.selectionStart, token = TOKEN.exec(field.value.slice(0, end));
  hide();
  if (token) show(field, matching(token[2]), (one) => {
    field.setRangeText(`@${one.address} `, end - token[2].length - 1, end, "end");
    setMentions(new Set([...mentions(), one.address]));
  });
  offer();
}

const carrier = () => /** @type {HTMLInputElement | null} */ (document.getElementById("note-mentions"));
const mentions = () => new Set((carrier()?.value ?? "").split(/[,;\s]+/).filter(Boolean));

function setMentions(/** @type {Set<string>} */ chosen) {
  const field = carrier();
  if (!field) return;
  field.value = [...chosen].join(", ");
  field.dispatchEvent(new Event("input", { bubbles: true }));
  draw();
}

/** @param {string} text @param {string} label @param {() => void} onclick */
const button = (text, label, onclick) => make("button", { type: "button", className: "chip", "aria-label": label, onclick }, text);

function draw() {
  const chosen = mentions(), chips = document.getElementById("chips");
  chips?.replaceChildren(...[...chosen].map((one) => button(`${one} ×`, `Do not mention ${one}`, () => {
    setMentions(new Set([...mentions()].filter((each) => each !== one)));
    document.getElementById("note-body")?.focus();
  })));
  offer();
}

function offer() {
  const field = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("note-body"));
  const chosen = mentions(), known = new Map(team().map((one) => [one.address.toLowerCase(), one.address]));
  const typed = [...(field?.value ?? "").matchAll(TYPED)].map((one) => known.get(one[1].toLowerCase()));
  const left = [...new Set(typed)].filter((one) => one && !chosen.has(one));
  document.getElementById("offers")?.replaceChildren(...left.map((one) =>
    button(`Mention ${one}?`, `Mention ${one}`, () => setMentions(new Set([...mentions(), one ?? ""])))));
}

const given = carrier();
if (given) {
  given.after(make("div", { id: "chips" }), make("div", { id: "offers" }));
  given.type = "hidden";
  given.previousElementSibling?.remove();
  given.addEventListener("change", draw);
  draw();
}
