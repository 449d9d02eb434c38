// @ts-check
/**
 * Teammates, and offers of the search box, as a list under a field.
 *
 * <input data-people> takes one address: chosen, its form is sent ("send") or the text field behind it
 * is focused ("next"). The list for a mention tells what it opens to whom.
 */
import { hide, show } from "./combobox.js";
import { all, fetched, make, one } from "./form.js";

/** @typedef {{address: string, name: string, gets: string}} Person */

const MOST = 8;

/** @returns {Person[]} */
export const team = () => all("#team option").map(({ value, label, dataset }) =>
  ({ address: value, name: label === value ? "" : label, gets: dataset.gets ?? "" }));

/** How well somebody fits to what was typed: 0 is best, 3 not at all. @param {Person} person @param {string} wanted */
function rank({ address, name }, wanted) {
  const words = [address, ...name.split(/\s+/)].map((word) => word.toLowerCase());
  if (words.some((word) => word.startsWith(wanted))) return name !== "me" ? 1 : wanted ? 2 : 0;
  return words[0].includes(wanted) ? 2 : 3;
}

/** @param {import("./combobox.js").Field} field @param {string} asked @param {(person: Person) => void} choose */
export function offerTeam(field, asked, choose) {
  const wanted = asked.trim().toLowerCase(), isMention = field.matches("[data-mention]");  // nobody mentions oneself
  const found = team().filter((each) => (each.gets || !isMention) && rank(each, wanted) < 3)
    .sort((a, b) => rank(a, wanted) - rank(b, wanted)).slice(0, MOST);
  const rows = found.map(({ name, address, gets }) =>
    [make("bdi", {}, name), " ", make("bdi", {}, address), " ", make("span", { className: "faint" }, gets)]);
  show(field, "Teammates", rows, (place) => choose(found[place]));
}

function ask(/** @type {HTMLInputElement} */ field) {
  field.removeAttribute("list");
  offerTeam(field, field.value, ({ address }) => {
    field.value = address;
    if (field.dataset.people === "send") field.form?.requestSubmit();
    else one("textarea", field.form ?? document).focus();
  });
}

for (const name of ["focusin", "input"]) document.addEventListener(name, (/** @type {any} */ { target }) => {
  if (target.matches("input[data-people]")) ask(target);
  else if (name === "input" && target.matches("[data-suggest]")) suggest(target);
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
    const found = all("option", page);
    const rows = found.map(({ value, label }) => [make("bdi", {}, value), " ", make("bdi", { className: "faint" }, label)]);
    show(field, "Suggestions", rows, (place) => {
      const { value } = found[place];
      field.value = typed.slice(0, typed.length - word.length) + value + (value.endsWith(":") ? "" : " ");
      suggest(field);
    }, -1);
  }, 120);
}
