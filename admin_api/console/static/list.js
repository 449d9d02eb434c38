// @ts-check
/**
 * The list of threads: rows are walked and chosen by keys, acts keep the place, older rows follow.
 *
 * - j and k move the focus, never open; arrows stay the browser's. x chooses, X up to the last chosen.
 * - A key of an act is for the chosen rows, or for the one with the focus where none is chosen.
 * - After an act the focus is on the row that took the place; coming back, on the thread that was open.
 * - At most 500 rows are in the page; then there is a link to the next ones.
 * - Where there is room a thread opens beside the list: its own page, in a frame. The address has it
 *   as `open`; "back" in there, or of the browser, closes it.
 */
import { all, fetched, make, one, onKeys, recall, say, toast } from "./form.js";

const MOST = 500, PLACE = "list";
const WIDE = matchMedia("(width >= 68.75em)"), THREAD = /\/threads\/(thr_\w+)/;
const rows = () => all("#rows > .row");
const rowOf = (/** @type {string} */ id) => rows().find((row) => row.id === id);
const box = (/** @type {Element} */ row) => one(".pick input", row);
const link = (/** @type {Element} */ row) => one("a.open", row);
const present = () => document.activeElement?.closest("#rows > .row");
const chosen = () => rows().filter((row) => box(row).checked);
const address = () => location.pathname + location.search;
const named = () => new URLSearchParams(location.search).get("open");

/** The row that had the focus last, and its place: id and number. */
let at = { id: "", place: -1 };
/** @type {Element | null} From where a range is chosen. */ let anchor = null;

const stay = (/** @type {Element | null | undefined} */ row) => { if (row) at = { id: row.id, place: rows().indexOf(row) }; };

const focus = (/** @type {Element | undefined} */ row) => { if (row) { row.scrollIntoView({ block: "nearest" }); link(row).focus(); } };

document.addEventListener("focusin", () => stay(present()));

function walk(/** @type {number} */ step) {
  const row = present(), place = row ? rows().indexOf(row) + step : at.place;
  focus(rows()[Math.max(0, Math.min(place, rows().length - 1))]);
}

// --- choosing

function tell() {
  const count = chosen().length, whole = one("#all");
  for (const row of rows()) row.classList.toggle("chosen", box(row).checked);
  one("#chosen").replaceChildren(count ? `${count} chosen` : "");
  whole.checked = count > 0 && count === rows().length;
  whole.indeterminate = count > 0 && !whole.checked;
}

/** Choose a row or not, and those from the last chosen one up to it. */
function choose(/** @type {Element} */ row, /** @type {boolean} */ isRange, /** @type {boolean} */ value) {
  const among = rows(), place = among.indexOf(row), other = isRange ? among.indexOf(anchor) : -1;
  const first = other < 0 ? place : Math.min(place, other);
  for (const each of among.slice(first, Math.max(place, other) + 1)) box(each).checked = value;
  anchor = row;
  tell();
}

one("#page").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  const target = /** @type {HTMLInputElement} */ (event.target), row = target.closest("#rows > .row");
  if (target.id === "all") { for (const each of rows()) box(each).checked = target.checked; tell(); }
  else if (row && target.matches(".pick input")) choose(row, event.shiftKey, target.checked);
  else if (row && target.closest("a.open")) {
    keep();
    if (!WIDE.matches || !isSecureContext || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    beside(link(row).href);
  }
});

// --- a thread beside the list

function beside(/** @type {string} */ href) {
  const there = one("#pane");
  mark(THREAD.exec(href)?.[1] ?? "");
  if (there) return there.contentWindow.location.replace(href);
  document.body.classList.add("beside");
  document.body.append(make("iframe", { id: "pane", title: "Thread", src: href, onload: tellOpen }));
}

/** Have the address say something; "": no more. @param {string} name @param {any} value @param {"replaceState" | "pushState"} [way] */
function put(name, value, way = "replaceState") {
  const url = new URL(location.href);
  if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  history[way](null, "", url);
}

/** Have the address and the list name the thread that is open; "": none is. Back leads out of the first. */
function mark(/** @type {string} */ id) {
  put("open", id, one("#pane") || id === (named() ?? "") ? undefined : "pushState");
  one("a.open[aria-current]")?.removeAttribute("aria-current");
  stay(marked());
}

/** The row of the thread that is open; rows are replaced now and then. Without any there are no acts. */
function marked() {
  one("#acts")?.toggleAttribute("hidden", !rows().length);
  const row = rowOf(`t-${named()}`);
  if (row) link(row).setAttribute("aria-current", "true");
  return row;
}

/** Keys in there may have led to another thread. */
function tellOpen() {
  const frame = one("#pane").contentWindow, id = THREAD.exec(frame.location.pathname)?.[1];
  if (id) { mark(id); frame.focus(); }
}

function shut() {
  mark("");
  one("#pane")?.remove();
  document.body.classList.remove("beside");
  focus(rowOf(at.id));
}

/** Have the pane be what the address names. */
function follow() {
  const href = `${location.pathname}threads/${named()}/`;
  if (one("#pane")) named() || shut();
  else if (THREAD.test(href) && WIDE.matches) { keep(); beside(href); }
}

addEventListener("popstate", follow);
document.addEventListener("postroom:back", shut);

// --- keys

/** Whom an act is for, where nothing is chosen: the row with the focus. */
document.addEventListener("postroom:act", (event) => {
  const act = /** @type {CustomEvent} */ (event).detail, row = rowOf(at.id);
  if (row && act.closest("#acts") && act.id !== "all" && !chosen().length) choose(row, false, true);
});

/** Do something with the row that has the focus. @param {(row: Element) => void} work */
const here = (work) => () => { const row = present(); if (row) work(row); };

onKeys({
  j: () => walk(1),
  k: () => walk(-1),
  o: here((row) => link(row).click()),
  x: here((row) => choose(row, false, !box(row).checked)),
  X: here((row) => choose(row, true, true)),
});

// --- coming back

function keep() {
  const order = rows().map((row) => link(row).getAttribute("href"));
  sessionStorage[PLACE] = JSON.stringify({ at: at.id, back: address(), order });
}

function come() {
  if (one("#pane")) return;
  const kept = recall(sessionStorage, PLACE);
  focus(rowOf(location.hash.slice(1) || kept.back === address() && kept.at));
  if (location.hash) history.replaceState(null, "", address());
  delete sessionStorage[PLACE];
}

// --- after an act

let shown = one("#list");

document.addEventListener("htmx:after:swap", () => {
  if (one("#list") === shown) return;  // a toast, not the list
  shown = one("#list");
  const main = one("#main"), sheet = one("#acts > .drop[open]");
  document.title = main.dataset.title;
  toast();
  start();
  say(one("#done p")?.textContent ?? "");
  if (sheet) return one("input", sheet).focus();  // refused
  if (document.activeElement !== document.body) return;
  const among = rows();
  focus(rowOf(at.id) ?? among[Math.min(at.place, among.length - 1)]);
  if (document.activeElement === document.body) main.focus();
});

// --- older rows

let isAsked = false;
const watcher = new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting)) older(); }, { rootMargin: "600px" });

async function older() {
  if (isAsked || rows().length >= MOST) return;
  isAsked = true;
  const into = one("#rows"), found = await fetched(one("#more a").href, true);
  isAsked = false;
  if (!found) return;
  for (const row of all(".row", found)) if (!document.getElementById(row.id)) into.append(row);
  one("#more").replaceWith(one("#more", found) ?? "");
  put("shown", one("#list").elements.shown.value = rows().length);  // who comes back finds the row
  if (sessionStorage[PLACE]) keep();  // a thread was opened, and this page has another address now
  tell();
  watch();
}

/** Anew each time: an end that stays in view is told once. */
function watch() {
  watcher.disconnect();
  if (rows().length) for (const more of all("#more")) watcher.observe(more);
}

function start() { marked(); tell(); watch(); }
document.addEventListener("postroom:live", start);

start();
follow();
addEventListener("pageshow", come); // not before: going to a #row takes the focus away
