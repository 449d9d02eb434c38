// @ts-check
/**
 * Live: what is shown follows what happens.
 *
 * - One EventSource for all tabs of a browser: the tab that holds the lock `postroom-live` has it,
 *   and hands each frame on through a BroadcastChannel. Where there are no locks (plain http from
 *   another machine), a lease in localStorage does the same.
 * - A frame holds ids only. A tab then asks for its own page anew, by its own address, at most twice
 *   a second and an eighth of its time (a server that is busy with mail is asked less), and takes
 *   from the answer the rows, the items and the counts that are different.
 * - Nothing that is focused, hovered, chosen or being written in is ever replaced or moved; the words
 *   in such a row follow where it stands.
 * - A tab that nobody sees asks for nothing until it is seen again.
 *
 * A page that is live has <meta name="live" content="inb_… inb_…"> with all inboxes of its user, and
 * <meta name="inbox"> with the one it shows; rows are <li id="t-{thread_id}"> in <ol id="rows">, items
 * <li id="i-{id}"> in <ol id="timeline">; an element with an id and data-live follows as it is.
 */

const CHANNEL = "postroom-live";
const BETWEEN = 500; // milliseconds from one request to the next, at least
const LONGEST = 4000;
const SHARE = 8;
const LEASE = 5000;
const MOST_ROWS = 500;

const meta = (/** @type {string} */ name) =>
  document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
const inboxes = meta("live").split(" ").filter(Boolean);
const here = meta("inbox");
const channel = new BroadcastChannel(CHANNEL);

/** @type {Set<string>} */ let changed = new Set();
let isDue = false, isAsking = false, isMissed = false, askedAt = 0, between = BETWEEN, timer = 0;

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

/** @param {any} frame */
function spread(frame) {
  channel.postMessage(frame);
  take(frame);
}

function lead() {
  if (navigator.locks) {
    navigator.locks.request(CHANNEL, () => new Promise(() => open()));
    return;
  }
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

/** @param {any} frame */
function take(frame) {
  if (frame.name === "bye") return signedOut();
  if (frame.inbox && frame.inbox !== here) return;
  for (const thread of frame.threads ?? []) changed.add(thread);
  isMissed ||= frame.name === "stale";
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
  changed = new Set();
  isMissed = false;
  let isShown = false;
  try {
    const answer = await fetch(firstPage(address), { headers: { Accept: "text/html" } });
    if (answer.redirected && answer.url.includes("/console/sign-in/")) return signedOut();
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (address === location.href) show(page, asked, all);
      isShown = true;
    }
  } catch {
    // No network: with the next frame, or when there is one again.
  } finally {
    isAsking = false;
    between = Math.min(LONGEST, Math.max(BETWEEN, SHARE * (Date.now() - askedAt)));
    if (!isShown) {
      asked.forEach((one) => changed.add(one));
      isMissed ||= all;
    }
    if (isDue) ask();
  }
}

/** @param {string} address */
function firstPage(address) {
  const url = new URL(address);
  url.searchParams.delete("cursor");
  const shown = /** @type {HTMLInputElement | null} */ (document.querySelector("#list [name=shown]"));
  if (shown) url.searchParams.set("shown", shown.value);
  return url;
}

/** @param {Element} one */
function isHeld(one) {
  return one.contains(document.activeElement) || one.matches(":hover") ||
    one.matches('[aria-selected="true"], [data-dirty]') ||
    !!one.querySelector("input:checked, [data-dirty], textarea");
}

/** Something was left as it is because of the pointer or the focus: once more when that goes on. */
function held() {
  for (const name of ["pointerout", "focusout"])
    document.addEventListener(name, () => { isMissed = true; ask(); }, { once: true });
}

/** @param {Document} page @param {Set<string>} asked @param {boolean} all */
function show(page, asked, all) {
  const named = (/** @type {Element} */ one) => all || asked.has(one.id.slice(2));
  follow("rows", page, named, true);
  follow("timeline", page, () => true, false);
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
 * @param {string} id @param {Document} page @param {(one: Element) => boolean} named
 * @param {boolean} isList
 */
function follow(id, page, named, isList) {
  const list = document.getElementById(id), now = page.getElementById(id);
  if (!list || !now) return;
  const chosen = !!list.querySelector("input:checked");
  const isStill = !isList || (scrollY < 40 && list.scrollTop < 40 && !chosen &&
    !list.matches(":hover") && !list.contains(document.activeElement));
  const wanted = Math.max(50, list.children.length);
  const last = now.lastElementChild?.id;
  const reach = last ? [...list.children].findIndex((one) => one.id === last) : -1;
  [...list.children].forEach((old, place) => {
    const within = !isList || now.children.length < wanted || (reach >= 0 && place <= reach);
    if (old.id && named(old) && within && !page.getElementById(old.id) && !isHeld(old)) old.remove();
  });
  let before = 0, shownNow = 0;
  for (const one of [...now.children]) {
    const old = document.getElementById(one.id);
    if (!one.id || !named(one)) continue;
    const made = document.importNode(one, true);
    if (old) {
      if (old.outerHTML === made.outerHTML) continue;
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

/** A row with the focus or the pointer stays where it is, and so does a chosen one as it was chosen.
 * @param {Element} old @param {Element} made
 */
function fill(old, made) {
  const link = old.querySelector("a.open"), now = made.querySelector("a.open");
  if (!link || !now || old.querySelector("input:checked")) return;
  old.className = made.className;
  link.innerHTML = now.innerHTML;
  const box = old.querySelector("input"), value = made.querySelector("input")?.value;
  if (box && value) box.value = value;
}

/**
 * Put `made` where `one` stands in the answer: before the next neighbour that is shown.
 * @param {Element} list @param {Element} made @param {Element} one
 */
function put(list, made, one) {
  for (let next = one.nextElementSibling; next; next = next.nextElementSibling) {
    const shown = next.id && document.getElementById(next.id);
    if (shown && shown.parentElement === list) { shown.before(made); return; }
  }
  list.append(made);
}

/** Have htmx, if it is there, see what was put in. @param {Element} made */
function activate(made) {
  /** @type {any} */ (window).htmx?.process?.(made);
}

/** @param {number} count */
function tell(count) {
  const text = `${count} new`;
  let bar = document.getElementById("live-bar");
  if (!bar) {
    bar = document.createElement("a");
    bar.id = "live-bar";
    bar.setAttribute("href", firstPage(location.href).href);
    document.getElementById("rows")?.before(bar);
  }
  bar.textContent = `${text}: show`;
  say(text);
}

/** @param {string} text */
function say(text) {
  const region = document.querySelector('[aria-live="polite"]');
  if (region) region.textContent = text;
}

function signedOut() {
  source?.close();
  if (document.getElementById("signed-out")) return;
  const bar = document.createElement("p"), link = document.createElement("a");
  bar.id = "signed-out";
  bar.setAttribute("role", "status");
  bar.textContent = "You were signed out. ";
  link.textContent = "Sign in to go on";
  link.href = `/console/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`;
  bar.append(link);
  document.body.prepend(bar);
  document.dispatchEvent(new CustomEvent("postroom:signed-out"));
}

if (inboxes.length) {
  channel.onmessage = (event) => take(event.data);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isDue) ask();
  });
  addEventListener("online", ask);
  lead();
}
