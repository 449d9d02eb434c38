// @ts-check
/**
 * Teammates, and offers of the search box, as a list under a field.
 *
 * - <input data-people> takes one address: chosen, its form is sent ("send") or the text field behind
 *   it is focused ("next").
 * - <textarea data-mention>: `@` opens the list, which tells what a mention opens to whom. Who is chosen
 *   is shown as a chip and becomes a value of `mentions`; an address that is only typed is offered,
 *   never mentioned in silence.
 */
import { hide, show } from "./combobox.js";
import { fetched, make } from "./form.js";

/** @typedef {{address: string, name: string, gets: string}} Person */

const MOST = 8;
const TOKEN = /(^|\s)@([\w.+-]*(?:@[\w.-]*)?)$/;
const TYPED = /@([\w.+-]+@[\w-]+(?:\.[\w-]+)+)/g;

/** @returns {Person[]} */
const team = () => [...document.querySelectorAll("#team option")].map((one) => {
  const { value, label, dataset } = /** @type {HTMLOptionElement} */ (one);
  return { address: value, name: label === value ? "" : label, gets: dataset.gets ?? "" };
});

/** @param {string} asked @param {boolean} isMention nobody mentions oneself */
function matching(asked, isMention) {
  const wanted = asked.trim().toLowerCase();
  const rank = (/** @type {Person} */ one) => {
    const address = one.address.toLowerCase(), words = one.name.toLowerCase().split(/\s+/);
    if (address.startsWith(wanted) || words.some((word) => word.startsWith(wanted))) return one.name !== "me" ? 1 : wanted ? 2 : 0;
    return address.includes(wanted) ? 2 : 3;
  };
  return team().filter((one) => one.gets || !isMention).map((one) => ({ one, rank: rank(one) })).filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank).slice(0, MOST).map((each) => each.one);
}

/** @param {import("./combobox.js").Field} field @param {string} asked @param {(one: Person) => void} choose */
function offerTeam(field, asked, choose) {
  const found = matching(asked, field.matches("[data-mention]"));
  const rows = found.map(({ name, address, gets }) =>
    [make("bdi", {}, name), " ", make("bdi", {}, address), " ", make("span", { className: "faint" }, gets)]);
  show(field, "Teammates", rows, (place) => choose(found[place]));
}

// --- one teammate

function ask(/** @type {HTMLInputElement} */ field) {
  field.removeAttribute("list");
  offerTeam(field, field.value, (one) => {
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
    const found = [...page.querySelectorAll("option")];
    const rows = found.map((one) => [make("bdi", {}, one.value), " ", make("bdi", { className: "faint" }, one.label)]);
    show(field, "Suggestions", rows, (place) => {
      const { value } = found[place];
      field.value = typed.slice(0, typed.length - word.length) + value + (value.endsWith(":") ? "" : " ");
      suggest(field);
    }, -1);
  }, 120);
}

// --- mentions

function write(/** @type {HTMLTextAreaElement} */ field) {
  const end = field.selectionStart, token = TOKEN.exec(field.value.slice(0, end));
  hide();
  if (token) offerTeam(field, token[2], (one) => {
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
  const opens = team().filter((one) => chosen.has(one.address)).map(({ name, address, gets }) => `${name || address} ${gets}.`);
  document.getElementById("opens-now")?.replaceChildren(opens.join(" "));
  offer();
}

function offer() {
  const field = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("note-body"));
  const chosen = mentions(), known = new Map(team().map((one) => [one.address.toLowerCase(), one.gets && one.address]));
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
