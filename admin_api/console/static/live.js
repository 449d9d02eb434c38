// @ts-check
/**
 * Live: what is shown follows what happens.
 *
 * - One EventSource for all tabs of a browser: the tab that holds the lock `postroom-live` has it,
 *   and hands each frame on through a BroadcastChannel. Where there are no locks (plain http from
 *   another machine), a lease in localStorage does the same.
 * - A frame holds ids only. A tab then asks for what its own address shows now, at most three times
 *   a second and a quarter of its time (a server that is busy with mail is asked less), and takes
 *   from the answer the rows, the items and the counts that are different. It says of which event it was
 *   told (`follow`), so that tabs share an answer; of a thread, which version it shows: nothing comes
 *   if that is the present one.
 * - Nothing that is focused, hovered, chosen or being written in is ever replaced or moved; the words
 *   in such a row follow where it stands.
 * - A tab that nobody sees asks for nothing until it is seen again.
 *
 * A page that is live has <meta name="live" content="inb_… inb_…"> with all inboxes of its user, and
 * <meta name="inbox"> with the one it shows; rows are <li id="t-{thread_id}"> in <ol id="rows">, items
 * <li id="i-{id}"> in <ol id="timeline">; an element with an id and data-live follows as it is.
 */
import { make, meta, say } from "./form.js";

const CHANNEL = "postroom-live";
const BETWEEN = 350, LONGEST = 4000, SHARE = 4, LEASE = 5000;  // milliseconds; a part of one's time
const MOST_ROWS = 500, PAGE = 50;
/** Have htmx, if it is there, see what was put in. */
const activate = (/** @type {Element} */ made) => /** @type {any} */ (window).htmx?.process?.(made);

const inboxes = meta("live").split(" ").filter(Boolean);
const here = meta("inbox"), thread = /\/threads\/([^/]+)/.exec(location.pathname)?.[1] ?? "";
const channel = new BroadcastChannel(CHANNEL);

/** @type {Set<string>} */ let changed = new Set();
let isDue = false, isAsking = false, isMissed = false, askedAt = 0, between = BETWEEN, timer = 0;
/** Nothing but marks, and what may have been missed. */ let isMarked = true, newest = "", swappedAt = 0;

// --- the leader

/** @type {EventSource | null} */ let source = null;
let wait = 2000, hasHadOne = false;

function open() {
  source?.close();
  source = new EventSource(`/console/live/?${inboxes.map((one) => `inbox=${one}`).join("&")}`);
  source.addEventListener("hello", () => {
    wait = 2000;
    // What came between the page and its stream is asked for, too, when the page has settled.
    setTimeout(() => spread({ name: "stale", inbox: "" }), hasHadOne ? 0 : 1000);
    hasHadOne = true;
  });
  for (const name of ["change", "stale"])
    source.addEventListener(name, (event) =>
      spread({ name, ...JSON.parse(/** @type {MessageEvent} */ (event).data) }));
  source.addEventListener("bye", () => { source?.close(); spread({ name: "bye" }); });
  source.onerror = () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    setTimeout(open, wait);
    wait = Math.min(wait * 2, 30000);
  };
}

function spread(/** @type {any} */ frame) {
  channel.postMessage(frame);
  document.dispatchEvent(new CustomEvent("postroom:frame", { detail: frame }));
  take(frame);
}

function lead() {
  if (navigator.locks) return navigator.locks.request(CHANNEL, () => new Promise(() => open()));
  const me = String(Math.random());
  const beat = () => {
    const [who, at] = (localStorage.getItem(CHANNEL) ?? "").split(" ");
    if (who !== me && Date.now() - Number(at) < LEASE) {
      source?.close();
      source = null;
      return;
    }
    localStorage.setItem(CHANNEL, `${me} ${Date.now()}`);
    if (!source) open();
  };
  beat();
  setInterval(beat, LEASE / 3);
  addEventListener("pagehide", () => source && localStorage.removeItem(CHANNEL));
}

// --- every tab

function take(/** @type {any} */ frame) {
  if (frame.name === "bye") return signedOut();
  if (frame.inbox && frame.inbox !== here) return;
  if (thread && frame.name === "change" && !frame.threads.includes(thread)) return;
  for (const one of frame.threads ?? []) changed.add(one);
  if (!frame.at) newest = ""; else if (frame.at > newest) newest = frame.at;
  isMissed ||= frame.name === "stale";
  isMarked &&= !frame.types?.some((/** @type {string} */ type) => type !== "message.changed");
  ask();
}

function ask() {
  isDue = true;
  if (document.hidden || isAsking || timer) return;
  timer = setTimeout(refresh, Math.max(0, askedAt + between - Date.now()));
}

async function refresh() {
  timer = 0;
  if (document.hidden) return;
  isDue = false;
  isAsking = true;
  askedAt = Date.now();
  const asked = changed, all = isMissed, address = location.href;
  const { url, headers, wanted } = question(address, asked, all);
  changed = new Set();
  isMissed = false;
  isMarked = true;
  let isShown = false;
  try {
    const answer = await fetch(url, { headers });
    if (answer.status === 401 || (answer.redirected && answer.url.includes("/console/sign-in/"))) return signedOut();
    if (answer.ok && answer.status !== 204) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (address === location.href && swappedAt < askedAt) show(page, wanted);
    }
    isShown = answer.ok;
  } catch {
    // No network: with the next frame, or when there is one again.
  } finally {
    isAsking = false;
    between = Math.min(LONGEST, Math.max(BETWEEN, SHARE * (Date.now() - askedAt)));
    if (!isShown) {
      asked.forEach((one) => changed.add(one));
      isMissed ||= all;
      isMarked = false;
    }
    if (isDue) ask();
  }
}

/** What to ask for: of a list its rows, as many as reach the changed ones; else the page.
 * @param {string} address @param {Set<string>} asked @param {boolean} all
 */
function question(address, asked, all) {
  const url = firstPage(address), rows = [...document.querySelectorAll("#rows > li")];
  const version = /** @type {HTMLInputElement | null} */ (document.querySelector('#acts [name="version"]'));
  const isPart = version ? isMarked : document.getElementById("rows") && !document.querySelector("#first > *");
  if (isPart) url.searchParams.set("follow", version ? version.value : newest);
  if (!all && !rows.slice(PAGE).some((one) => asked.has(one.id.slice(2)))) url.searchParams.delete("shown");
  /** @type {Record<string, string>} */
  const headers = { Accept: "text/html", ...(isPart && { "HX-Request": "true" }) };
  return { url, headers, wanted: Number(url.searchParams.get("shown") ?? PAGE) };
}

function firstPage(/** @type {string} */ address) {
  const url = new URL(address);
  url.searchParams.delete("cursor");
  const shown = /** @type {HTMLInputElement | null} */ (document.querySelector("#list [name=shown]"));
  if (shown) url.searchParams.set("shown", shown.value);
  return url;
}

function isHeld(/** @type {Element} */ one) {
  return one.contains(document.activeElement) || one.matches(":hover") ||
    one.matches('[aria-selected="true"], [data-dirty]') ||
    !!one.querySelector("input:checked, [data-dirty], textarea");
}

/** Something was left as it is because of the pointer or the focus: once more when that goes on. */
function held() {
  for (const name of ["pointerout", "focusout"])
    document.addEventListener(name, () => { isMissed = true; ask(); }, { once: true });
}

function show(/** @type {Document} */ page, /** @type {number} */ wanted) {
  follow("rows", page, wanted);
  follow("timeline", page, 0);
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const now = page.getElementById(old.id);
    const text = now ? now.innerHTML : "";
    if ((!now && !old.matches("#empty")) || text === old.innerHTML) continue;
    if (!old.contains(document.activeElement) && !old.matches(":hover")) { old.innerHTML = text; activate(old); }
    else if (old.textContent !== (now?.textContent ?? "")) held();
  }
  document.title = page.title;
  document.dispatchEvent(new CustomEvent("postroom:live"));
}

/**
 * @param {string} id @param {Document} page
 * @param {number} wanted how many rows of a list were asked for; 0: it is a time line
 */
function follow(id, page, wanted) {
  const list = document.getElementById(id), now = page.getElementById(id), isList = wanted > 0;
  if (!list || !now) return;
  const chosen = !!list.querySelector("input:checked");
  const isStill = !isList || (scrollY < 40 && list.scrollTop < 40 && !chosen &&
    !list.matches(":hover") && !list.contains(document.activeElement));
  const reach = [...list.children].findIndex((one) => one.id === now.lastElementChild?.id);
  [...list.children].forEach((old, place) => {
    const within = !isList || now.children.length < wanted || (reach >= 0 && place <= reach);
    if (old.id && within && !page.getElementById(old.id) && !isHeld(old)) old.remove();
  });
  let before = 0, shownNow = 0;
  const coming = [...now.children], end = coming.findLastIndex((one) => document.getElementById(one.id));
  if (isList && isStill && end < 0 && coming.length) {  // more came than the list shows
    list.replaceChildren(...coming.map((one) => document.importNode(one, true)));
    document.querySelector("#more a")?.setAttribute("href", page.querySelector("#more a")?.getAttribute("href") ?? "");
    return say(`${coming.length} new`);
  }
  for (const [place, one] of coming.entries()) {
    const old = document.getElementById(one.id);
    if (!one.id) continue;
    if (isList && end >= 0 && place > end) { list.append(document.importNode(one, true)); continue; }  // older
    if (old?.outerHTML === one.outerHTML) continue;
    const made = document.importNode(one, true);
    if (old) {
      if (isHeld(old)) { if (isList) fill(old, made); else if (old.matches(":hover")) held(); continue; }
      if (isStill && isList) { old.remove(); put(list, made, one); }
      else old.replaceWith(made);
    } else if (isStill) { put(list, made, one); shownNow += 1; }
    else { before += 1; continue; }
    activate(made);
  }
  if (isList) while (list.children.length > MOST_ROWS && list.lastElementChild) list.lastElementChild.remove();
  if (before) tell(before);
  else if (shownNow && isList) say(`${shownNow} new`);
}

/** A row with the focus or the pointer stays where it is, and so does a chosen one as it was chosen. */
function fill(/** @type {Element} */ old, /** @type {Element} */ made) {
  const link = old.querySelector("a.open"), now = made.querySelector("a.open");
  if (!link || !now || old.querySelector("input:checked")) return;
  old.className = made.className;
  link.innerHTML = now.innerHTML;
  const box = old.querySelector("input"), value = made.querySelector("input")?.value;
  if (box && value) box.value = value;
}

/** Put `made` where `one` stands in the answer: before the next neighbour that is shown. */
function put(/** @type {Element} */ list, /** @type {Element} */ made, /** @type {Element} */ one) {
  for (let next = one.nextElementSibling; next; next = next.nextElementSibling) {
    const shown = next.id && document.getElementById(next.id);
    if (shown && shown.parentElement === list) { shown.before(made); return; }
  }
  list.append(made);
}

function tell(/** @type {number} */ count) {
  const text = `${count} new`;
  document.getElementById("live-bar")?.remove();
  const bar = make("a", { id: "live-bar", href: firstPage(location.href).href }, `${text}: show`);
  document.getElementById("rows")?.before(bar);
  say(text);
}

function signedOut() {
  source?.close();
  if (document.getElementById("signed-out")) return;
  const href = `/console/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`;
  document.body.prepend(make("p", { id: "signed-out", role: "status" },
    "You were signed out. ", make("a", { href }, "Sign in to go on")));
  document.dispatchEvent(new CustomEvent("postroom:signed-out"));
}

// In somebody else's inbox each look is on record: new mail is only counted, by the stream of the API.
if (meta("acting")) new EventSource(`/console/live/?acting=${meta("acting")}`).addEventListener("message.received", (event) => {
  changed.add(JSON.parse(event.data).data.thread_id);
  tell(changed.size);
});

if (inboxes.length) {
  channel.onmessage = (event) => take(event.data);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isDue) ask();
  });
  addEventListener("online", ask);
  // An act has shown the list anew: what was asked for before it is of yesterday.
  document.addEventListener("htmx:after:swap", () => { swappedAt = Date.now(); newest = ""; isMissed = true; });
  lead();
}
