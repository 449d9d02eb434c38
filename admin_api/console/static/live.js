// @ts-check
/**
 * Live: what is shown follows what happens.
 *
 * - One EventSource for all tabs of a browser: that of the tab with the lock `postroom-live`, which
 *   hands each frame on through a BroadcastChannel. Where there are no locks (plain http from another
 *   machine), a lease in localStorage does the same.
 * - A frame holds ids only. A tab then asks for what its address shows, at most every 0.43 s
 *   and a quarter of its time, and takes over what is different. `follow` is the newest event it was
 *   told of, so that tabs share an answer, or the version of its thread: if present, nothing comes.
 * - Nothing that is focused, hovered, chosen or being written in is replaced or moved; words follow.
 * - A tab that nobody sees asks for nothing until it is seen.
 * - <meta name="live"> has all inboxes of the user, <meta name="inbox"> the one that is shown. Rows are
 *   <li id="t-{thread_id}">, items <li id="i-{id}">; what has an id and data-live follows as it is.
 */
import { all, make, meta, one, parsed, remember, renew, say } from "./form.js";

const CHANNEL = "postroom-live";
const BETWEEN = 430, LONGEST = 4000, SHARE = 4, LEASE = 5000, SETTLED = 1000;  // milliseconds; a part of one's time
const MOST_ROWS = 500, PAGE = 50;
/** Have htmx, if it is there, see what was put in. */
const activate = (/** @type {Element} */ made) => /** @type {any} */ (window).htmx?.process?.(made);

const inboxes = meta("live").split(" ").filter(Boolean);
const here = meta("inbox"), thread = /\/threads\/([^/]+)/.exec(location.pathname)?.[1] ?? "";
const channel = new BroadcastChannel(CHANNEL);

/** What is not asked for yet: threads, whether more was missed, whether nothing but marks changed. */
const nothing = () => ({ threads: /** @type {Set<string>} */ (new Set()), isMissed: false, isMarked: true });
let news = nothing(), newest = "", isDue = false, isAsking = false, askedAt = 0, swappedAt = 0, between = BETWEEN, timer = 0;

// --- the leader

/** @type {EventSource | null} */ let source = null;
let wait = 2000, release = () => {};

const stop = () => { source?.close(); source = null; };

function open() {
  stop();
  source = new EventSource(`/console/live/?${inboxes.map((id) => `inbox=${id}`).join("&")}`);
  source.addEventListener("hello", () => { wait = 2000; setTimeout(stale, SETTLED); });
  for (const name of ["change", "stale", "bye"])
    source.addEventListener(name, ({ data }) => spread({ name, ...JSON.parse(data) }));
  source.onerror = () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    stale();  // signed out, perhaps in another tab: the page tells
    setTimeout(() => source && open(), wait);
    wait = Math.min(wait * 2, 30000);
  };
}

function spread(/** @type {any} */ frame) {
  channel.postMessage(frame);
  document.dispatchEvent(new CustomEvent("postroom:frame", { detail: frame }));
  take(frame);
}

const stale = () => spread({ name: "stale" });

function lead() {
  const run = (/** @type {(end: null) => void} */ end) => { release = () => { stop(); end(null); }; open(); };
  if (navigator.locks) return navigator.locks.request(CHANNEL, () => new Promise(run));
  const me = String(Math.random());
  const beat = () => {
    const [who, at] = (localStorage.getItem(CHANNEL) ?? "").split(" ");
    if (who !== me && Date.now() - Number(at) < LEASE) return stop();
    remember(localStorage, CHANNEL, `${me} ${Date.now()}`);
    if (!source) open();
  };
  beat();
  setInterval(beat, LEASE / 3);
  addEventListener("pagehide", () => source && localStorage.removeItem(CHANNEL));
}

// --- every tab

function take(/** @type {any} */ { name, inbox, threads = [], types, at }) {
  if (name === "bye") return signedOut();
  if (inbox && inbox !== here) return;
  if (thread && name === "change" && !threads.includes(thread)) return;
  for (const id of threads) news.threads.add(id);
  if (!at) newest = ""; else if (at > newest) newest = at;
  news.isMissed ||= name === "stale";
  news.isMarked &&= !types?.some((/** @type {string} */ type) => type !== "message.changed");
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
  const asked = news, address = location.href, { url, headers, wanted } = question(asked);
  news = nothing();
  const answer = await fetch(url, { headers }).catch(() => null), text = await answer?.text().catch(() => null);
  isAsking = false;
  if (answer?.status === 401 || (answer?.redirected && answer.url.includes("/console/sign-in/"))) return signedOut();
  if (renew(answer) && one("#signed-out")) { one("#signed-out").remove(); one("#dialog").close(); navigator.locks && lead(); }
  if (!answer?.ok || typeof text !== "string")  // asked again with the next frame, or when there is a network again
    news = { threads: news.threads.union(asked.threads), isMissed: news.isMissed || asked.isMissed, isMarked: false };
  else if (answer.status !== 204 && address === location.href && swappedAt < askedAt) show(parsed(text), wanted);
  between = answer?.ok ? Math.min(LONGEST, Math.max(BETWEEN, SHARE * (Date.now() - askedAt))) : LONGEST;
  if (isDue || answer?.status === 429) ask();
}

/** What to ask for: of a list its rows, as many as reach the changed ones; else the page. @param {ReturnType<typeof nothing>} asked */
function question({ threads, isMissed, isMarked }) {
  const url = firstPage(), version = one('#acts [name="version"]')?.value;
  const isPart = version === undefined ? one("#rows") && !one("#first > *") : isMarked;
  if (isPart) url.searchParams.set("follow", version ?? newest);
  const isFar = isMissed || all("#rows > li").slice(PAGE).some((row) => threads.has(row.id.slice(2)));
  const shown = isFar && one("#list [name=shown]")?.value;
  if (shown) url.searchParams.set("shown", shown);
  /** @type {Record<string, string>} */
  const headers = { Accept: "text/html", ...(isPart && { "HX-Request": "true" }) };
  return { url, headers, wanted: Number(url.searchParams.get("shown") ?? PAGE) };
}

function firstPage() {
  const url = new URL(location.href);
  for (const name of ["cursor", "shown"]) url.searchParams.delete(name);
  return url;
}

const isTouched = (/** @type {Element} */ part) => part.contains(document.activeElement) || part.matches(":hover");
/** A message that is open stays as it is, but for one whose text was not there yet. */
const isHeld = (/** @type {Element} */ part) => isTouched(part) || one("input:checked", part) ||
  (one(":scope > details[open]", part) && !one(".pending", part));

/** Something was left as it is because of the pointer or the focus: once more when that goes on. */
function held() {
  for (const name of ["pointerout", "focusout"])
    document.addEventListener(name, () => { news.isMissed = true; ask(); }, { once: true });
}

function show(/** @type {Document} */ page, /** @type {number} */ wanted) {
  const part = one(":focus") ?? all(":hover").at(-1), top = part?.getBoundingClientRect().top;
  follow("rows", page, wanted);
  follow("timeline", page, 0);
  for (const old of all("[data-live][id]")) {
    const now = page.getElementById(old.id), text = now?.innerHTML ?? "";
    if ((!now && !old.matches("#empty")) || text === old.innerHTML) continue;
    if (!isTouched(old) && !one(".drop[open]", old)) { old.innerHTML = text; activate(old); }
    else if (old.textContent !== (now?.textContent ?? "")) held();
  }
  if (part?.isConnected && top > 0 && top < innerHeight) scrollBy(0, part.getBoundingClientRect().top - top);
  document.title = page.title;
  document.dispatchEvent(new CustomEvent("postroom:live"));
}

/** Have a list follow, of which so many rows were asked for; 0: it is a time line. @param {string} id @param {Document} page @param {number} wanted */
function follow(id, page, wanted) {
  const list = document.getElementById(id), now = page.getElementById(id), isList = wanted > 0;
  if (!list || !now) return;
  const coming = [...now.children], end = coming.findLastIndex((each) => document.getElementById(each.id));
  const isStill = !isList || (scrollY < 40 && !one("input:checked", list) && !isTouched(list));
  const isNew = isList && isStill && end < 0 && coming.length > 0;  // more came than the list shows
  const reach = [...list.children].findIndex((old) => old.id === now.lastElementChild?.id);
  [...list.children].forEach((old, place) => {
    const isWithin = !isList || isNew || coming.length < wanted || place <= reach;
    if (old.id && isWithin && !page.getElementById(old.id) && !isHeld(old)) old.remove();
  });
  if (isNew) { one("#more")?.remove(); list.after(one("#more", page) ?? ""); }
  let before = 0, shown = 0;
  for (const [place, each] of coming.entries()) {
    const old = document.getElementById(each.id), made = document.importNode(each, true);
    if (!each.id || old?.outerHTML === each.outerHTML) continue;
    if (isList && end >= 0 && place > end) list.append(made);  // older
    else if (old && isList && (!isStill || isHeld(old))) fill(old, made);
    else if (old && !isList) { if (!isHeld(old)) old.replaceWith(made); else if (old.matches(":hover")) held(); }
    else if (!isStill) before += 1;
    else {
      if (old) old.remove(); else shown += 1;
      put(list, made, each);
    }
    if (made.isConnected) activate(made);
  }
  if (isList) for (const old of [...list.children].slice(MOST_ROWS)) old.remove();
  if (before) tell(before);
  else if (shown && isList) say(`${shown} new`);
}

/** A row that stays where it is gets the new words; a chosen one stays as it was chosen. */
function fill(/** @type {Element} */ old, /** @type {Element} */ made) {
  if (one("input:checked", old)) return;
  old.className = made.className;
  one("a.open", old).innerHTML = one("a.open", made).innerHTML;
  one("input", old).value = one("input", made).value;
}

/** Put `made` where `each` stands in the answer: before the next neighbour that is shown. */
function put(/** @type {Element} */ list, /** @type {Element} */ made, /** @type {Element} */ each) {
  let next = each.nextElementSibling;
  while (next && document.getElementById(next.id)?.parentElement !== list) next = next.nextElementSibling;
  list.insertBefore(made, next && document.getElementById(next.id));
}

function tell(/** @type {number} */ count) {
  const text = `${count} new`;
  one("#live-bar")?.remove();
  one(".bar")?.append(make("a", { id: "live-bar", href: firstPage().href }, `${text}: show`));
  say(text);
}

function signedOut() {
  release();  // to a tab that is signed in again
  if (!one("#signed-out")) document.dispatchEvent(new CustomEvent("postroom:signed-out"));
}

// In somebody else's inbox each look is on record: new mail is only counted, by the stream of the API.
if (meta("acting")) new EventSource(`/console/live/?acting=${meta("acting")}`).addEventListener("message.received", (event) => {
  news.threads.add(JSON.parse(event.data).data.thread_id);
  tell(news.threads.size);
});

if (inboxes.length) {
  channel.onmessage = (event) => take(event.data);
  document.addEventListener("visibilitychange", () => { if (isDue) ask(); });
  addEventListener("online", ask);
  // An act has shown the list anew: what was asked for before it is of yesterday.
  document.addEventListener("htmx:after:swap", () => { swappedAt = Date.now(); newest = ""; news.isMissed = true; });
  lead();
  // What came between the page and its stream, or before this tab listened to another's.
  setTimeout(() => source || take({ name: "stale" }), SETTLED);
}
