// @ts-check
/**
 * The list of threads: rows are walked and chosen by keys, acts keep the place, older rows follow.
 *
 * - j and k move the focus, never open; arrows stay the browser's. x chooses, X up to the last chosen.
 * - A key of an act is for the chosen rows, or for the one with the focus where none is chosen.
 * - After an act the focus is on the row that took the place; coming back, on the thread that was open.
 * - At most 500 rows are in the page; then there is a link to the next ones.
 * - Where there is room a thread opens beside the list: its own page, in a frame. The address has it
 *   as `open`; "back" in there closes it.
 */
import { fetched, isKey, make, say } from "./form.js";

const MOST = 500, PLACE = "list";
const WIDE = matchMedia("(width >= 68.75em)"), THREAD = /\/threads\/(thr_\w+)/;
const page = /** @type {HTMLElement} */ (document.getElementById("page"));
const list = () => /** @type {HTMLFormElement | null} */ (document.getElementById("list"));
const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#rows > .row")]);
const box = (/** @type {Element | undefined} */ row) => /** @type {HTMLInputElement | null} */ (row?.querySelector(".pick input") ?? null);
const link = (/** @type {Element | null | undefined} */ row) => /** @type {HTMLAnchorElement | null} */ (row?.querySelector("a.open") ?? null);
const present = () => /** @type {HTMLElement | null} */ (document.activeElement?.closest?.("#rows > .row") ?? null);
const chosen = () => rows().filter((one) => box(one)?.checked);

/** The row that had the focus last, and its place: id and number. */
let at = { id: "", place: -1 }, anchor = -1;

function focus(/** @type {HTMLElement | null | undefined} */ row) {
  row?.scrollIntoView({ block: "nearest" });
  link(row)?.focus();
}

document.addEventListener("focusin", () => {
  const row = present();
  if (row) at = { id: row.id, place: rows().indexOf(row) };
});

function walk(/** @type {number} */ step) {
  const all = rows(), row = present();
  const place = row ? all.indexOf(row) + step : at.place < 0 ? 0 : Math.min(at.place, all.length - 1);
  focus(all[Math.max(0, Math.min(place, all.length - 1))]);
}

// --- choosing

function tell() {
  const count = chosen().length, all = /** @type {HTMLInputElement | null} */ (document.getElementById("all"));
  const line = document.getElementById("chosen");
  for (const row of rows()) row.classList.toggle("chosen", !!box(row)?.checked);
  if (line) line.textContent = count ? `${count} chosen` : "";
  if (all) {
    all.checked = count > 0 && count === rows().length;
    all.indeterminate = count > 0 && !all.checked;
  }
}

function choose(/** @type {number} */ place, /** @type {boolean} */ isRange, /** @type {boolean} */ value) {
  const all = rows(), from = isRange && anchor >= 0 ? Math.min(anchor, place) : place;
  const to = isRange && anchor >= 0 ? Math.max(anchor, place) : place;
  for (const row of all.slice(from, to + 1)) /** @type {HTMLInputElement} */ (box(row)).checked = value;
  anchor = place;
  tell();
}

page.addEventListener("click", (event) => {
  const one = /** @type {HTMLInputElement} */ (event.target);
  if (one.id === "all") { for (const row of rows()) /** @type {HTMLInputElement} */ (box(row)).checked = one.checked; tell(); }
  else if (one.matches("#rows .pick input")) choose(rows().findIndex((row) => row.contains(one)), event.shiftKey, one.checked);
  else if (one.closest("a.open")) {
    keep();
    if (!WIDE.matches || !isSecureContext || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    beside(/** @type {HTMLAnchorElement} */ (one.closest("a.open")).href);
  }
});

// --- a thread beside the list

const pane = () => /** @type {HTMLIFrameElement | null} */ (document.getElementById("pane"));

function beside(/** @type {string} */ href) {
  const there = pane();
  mark(THREAD.exec(href)?.[1] ?? "");
  if (there) return there.contentWindow?.location.replace(href);
  document.body.classList.add("beside");
  document.body.append(make("iframe", { id: "pane", title: "Thread", src: href, onload: tellOpen }));
}

/** Have the address and the list name the thread that is open; "": none is. */
function mark(/** @type {string} */ id) {
  const url = new URL(location.href);
  if (id) url.searchParams.set("open", id); else url.searchParams.delete("open");
  history.replaceState(null, "", url);
  document.querySelector("a.open[aria-current]")?.removeAttribute("aria-current");
  const row = marked();
  if (row) at = { id: row.id, place: rows().indexOf(row) };
}

/** The row of the thread that is open; rows are replaced now and then. Without any there are no acts. */
function marked() {
  document.getElementById("acts")?.toggleAttribute("hidden", !rows().length);
  const row = document.getElementById(`t-${new URL(location.href).searchParams.get("open")}`);
  link(row)?.setAttribute("aria-current", "true");
  return row;
}

document.addEventListener("postroom:live", marked);

/** Keys in there may have led to another thread. */
function tellOpen() {
  const frame = pane()?.contentWindow, id = frame && THREAD.exec(frame.location.pathname)?.[1];
  if (id) { mark(id); frame.focus(); }
}

document.addEventListener("postroom:back", () => {
  pane()?.remove();
  document.body.classList.remove("beside");
  mark("");
  focus(document.getElementById(at.id));
});

/** Whom an act is for, where nothing is chosen: the row with the focus. @param {Element | null} act */
function aim(act) {
  if (!act?.closest("#acts") || act.matches("#all") || chosen().length) return;
  const row = present() ?? document.getElementById(at.id);
  const one = row && box(row);
  if (one) { one.checked = true; tell(); }
}

document.addEventListener("postroom:act", (event) => aim(/** @type {CustomEvent} */ (event).detail));
document.addEventListener("keydown", (event) => {
  if (!isKey(event)) return;
  const row = present();
  if (event.key === "j" || event.key === "k") walk(event.key === "j" ? 1 : -1);
  else if (event.key === "o" && row) link(row)?.click();
  else if ((event.key === "x" || event.key === "X") && row) {
    const isRange = event.key === "X";
    choose(rows().indexOf(row), isRange, isRange || !box(row)?.checked);
  } else return;
  event.preventDefault();
}, true);

// --- coming back

function keep() {
  const order = rows().map((row) => link(row)?.getAttribute("href") ?? "");
  sessionStorage.setItem(PLACE, JSON.stringify({ at: at.id, back: location.pathname + location.search, order }));
}

function come() {
  const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "{}");
  const id = location.hash.slice(1) || (kept.back === location.pathname + location.search ? kept.at : "");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  focus(id ? document.getElementById(id) : null);
  sessionStorage.removeItem(PLACE);
}

// --- after an act

let shown = list();

document.addEventListener("htmx:after:swap", () => {
  const main = document.getElementById("main");
  if (list() === shown) return;  // a toast, not the list
  shown = list();
  document.title = main?.dataset.title ?? document.title;
  if (document.querySelector("#done[data-saved]"))
    for (const one of document.querySelectorAll("textarea[data-draft]"))
      localStorage.removeItem(`draft/${/** @type {HTMLElement} */ (one).dataset.draft}`);
  document.getElementById("toasts")?.replaceChildren();
  start();
  say(document.querySelector("#done p")?.textContent ?? "");
  const fault = /** @type {HTMLElement | null} */ (document.querySelector(".drop[open] .fault"));
  const field = /** @type {HTMLElement | null | undefined} */ (fault?.parentElement?.querySelector("input"));
  if (field) return field.focus();
  if (document.activeElement && document.activeElement !== document.body) return;
  const all = rows();
  focus(document.getElementById(at.id) ?? all[Math.min(at.place, all.length - 1)]);
  if (!all.length) main?.focus();
});

/** An act on all that match goes on by itself, a step after the other, until Stop is pressed. */
function goOn() {
  const again = /** @type {HTMLButtonElement | null} */ (document.querySelector("#done [data-again]"));
  if (!again) return;
  const timer = setTimeout(() => { again.onclick = null; again.click(); }, 400);
  again.textContent = "Stop";
  again.onclick = (event) => {
    event.preventDefault();
    clearTimeout(timer);
    again.textContent = "Go on";
    again.onclick = null;
  };
}

// --- older rows

let isAsking = false;
const watcher = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) older(); }, { rootMargin: "600px" });

async function older() {
  const more = document.querySelector("#more a"), into = document.getElementById("rows");
  const href = more?.getAttribute("href");
  if (!more || !href || !into || isAsking || rows().length >= MOST) return;
  isAsking = true;
  try {
    const found = await fetched(href, true);
    if (!found) return;
    for (const row of found.querySelectorAll(".row")) if (!document.getElementById(row.id)) into.append(document.importNode(row, true));
    const next = found.querySelector("#more a")?.getAttribute("href");
    if (next) more.setAttribute("href", next);
    else more.parentElement?.remove();
    const shown = /** @type {HTMLInputElement | null} */ (list()?.elements.namedItem("shown"));
    if (shown) shown.value = String(rows().length);
    tell();
  } finally {
    isAsking = false;
  }
  for (const left of document.querySelectorAll("#more")) { watcher.unobserve(left); watcher.observe(left); }
}

function start() {
  anchor = -1;
  marked();
  tell();
  goOn();
  watcher.disconnect();
  if (rows().length) for (const more of document.querySelectorAll("#more")) watcher.observe(more);
}

start();
const open = new URL(location.href).searchParams.get("open") ?? "";
if (THREAD.test(`/threads/${open}`) && WIDE.matches) beside(`${location.pathname}threads/${open}/`);
// What the page of a thread needs besides comes while nobody waits for it.
setTimeout(() => { for (const name of ["thread.js", "frame.js"]) fetch(new URL(name, import.meta.url)).catch(() => {}); }, 300);
addEventListener("pageshow", come); // not before: going to a #row takes the focus away
