// @ts-check
/**
 * The list of threads: rows are walked and chosen by keys, acts keep the place, older rows follow.
 *
 * - j and k move the focus, never open; arrows stay the browser's. x chooses, X up to the last chosen.
 * - A key of an act is for the chosen rows, or for the one with the focus where none is chosen.
 * - After an act the focus is on the row that took the place; coming back, on the thread that was open.
 * - At most 500 rows are in the page; then there is a link to the next ones.
 */

const MOST = 500;
const PLACE = "list";
const page = /** @type {HTMLElement} */ (document.getElementById("page"));
const list = () => /** @type {HTMLFormElement | null} */ (document.getElementById("list"));
const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#rows > .row")]);
/** @param {Element | undefined} row */
const box = (row) => /** @type {HTMLInputElement | null} */ (row?.querySelector(".pick input") ?? null);
/** @param {Element | null | undefined} row */
const link = (row) => /** @type {HTMLAnchorElement | null} */ (row?.querySelector("a.open") ?? null);
const present = () => /** @type {HTMLElement | null} */ (document.activeElement?.closest?.("#rows > .row") ?? null);
const chosen = () => rows().filter((one) => box(one)?.checked);
const say = (/** @type {string} */ text) => {
  const region = document.getElementById("say");
  if (region) region.textContent = text;
};

/** The row that had the focus last, and its place: id and number. */
let at = { id: "", place: -1 }, anchor = -1;

/** @param {HTMLElement | undefined} row */
function focus(row) {
  if (!row) return;
  row.scrollIntoView({ block: "nearest" });
  link(row)?.focus();
}

document.addEventListener("focusin", () => {
  const row = present();
  if (row) at = { id: row.id, place: rows().indexOf(row) };
});

/** @param {number} step */
function walk(step) {
  const all = rows(), row = present();
  const place = row ? all.indexOf(row) + step : at.place < 0 ? 0 : Math.min(at.place, all.length - 1);
  focus(all[Math.max(0, Math.min(place, all.length - 1))]);
}

// --- choosing

function tell() {
  const count = chosen().length, all = /** @type {HTMLInputElement | null} */ (document.getElementById("all"));
  const line = document.getElementById("chosen");
  if (line) line.textContent = count ? `${count} chosen` : "";
  if (all) {
    all.checked = count > 0 && count === rows().length;
    all.indeterminate = count > 0 && !all.checked;
  }
}

/** @param {number} place @param {boolean} isRange @param {boolean} value */
function choose(place, isRange, value) {
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
  else if (one.closest("a.open")) keep();
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
  const field = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || field.matches("input:not([type=checkbox]), textarea, select")) return;
  if (document.documentElement.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
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
  const row = id && document.getElementById(id);
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (row) focus(row);
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
  focus(/** @type {HTMLElement | null} */ (document.getElementById(at.id)) ?? all[Math.min(at.place, all.length - 1)]);
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
    const answer = await fetch(href, { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(`<ol>${await answer.text()}</ol>`, "text/html");
    for (const row of found.querySelectorAll(".row")) if (!document.getElementById(row.id)) into.append(document.importNode(row, true));
    const next = found.querySelector("#next a")?.getAttribute("href");
    if (next) more.setAttribute("href", next);
    else more.parentElement?.remove();
    const shown = /** @type {HTMLInputElement | null} */ (list()?.elements.namedItem("shown"));
    if (shown) shown.value = String(rows().length);
    tell();
  } finally {
    isAsking = false;
  }
  const left = document.getElementById("more");
  if (left) { watcher.unobserve(left); watcher.observe(left); }
}

function start() {
  document.querySelector(".pick.all")?.removeAttribute("hidden");
  anchor = -1;
  tell();
  goOn();
  watcher.disconnect();
  const more = document.getElementById("more");
  if (more && rows().length) watcher.observe(more);
}

start();
addEventListener("pageshow", come); // not before: going to a #row takes the focus away
