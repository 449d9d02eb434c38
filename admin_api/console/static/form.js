// @ts-check
/**
 * What every page needs: elements, keys, the dialog; what htmx sends carries the token of the page.
 *
 * - The token is in <meta name="form-token">; a form without scripts has it in a hidden field.
 * - Signed out meanwhile: a bar says so, the form opens in the dialog, and what was written stays.
 */
/** The first element that fits, of the page or within another. @param {string} selector @param {ParentNode} [within] @returns {any} */
export const one = (selector, within = document) => within.querySelector(selector);
/** All elements that fit. @param {string} selector @param {ParentNode} [within] @returns {any[]} */
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** What the page says of itself. @param {string} name @returns {string} */
export const meta = (name) => one(`meta[name="${name}"]`)?.content ?? "";
export const token = () => meta("form-token");

/** Have the forms be of the session that an answer is of: of the same user, who signed in anew in another tab. */
export function renew(/** @type {{headers: Headers} | null | undefined} */ answer) {
  const [user, text] = answer?.headers.get("X-Postroom-Form")?.split(" ") ?? [], isMine = user && user === one("[data-user]")?.dataset.user;
  if (isMine) for (const each of all('[data-user], [name="form_token"]')) each.content = each.value = text;
  return isMine;
}

/** What the browser keeps for us; of an entry that is broken (edited, of another release) nothing. @param {Storage} store @param {string} name @returns {any} */
export function recall(store, name) {
  try { return JSON.parse(/** @type {any} */ (store.getItem(name))) ?? {}; } catch { return {}; }
}

/** Have the browser keep it; where its store is full, it is in the page alone. @param {Storage} store @param {string} name @param {string} text */
export function remember(store, name, text) {
  try { store.setItem(name, text); } catch { }
}

/** Have it read aloud. @param {string} text */
export const say = (text) => one("#say")?.replaceChildren(text);

/** Show messages in place of those that are shown, or none. @param {string[]} texts */
export const toast = (...texts) =>
  one("#toasts")?.replaceChildren(...texts.map((text) => make("div", { className: "toast", role: "alert" }, text)));

/**
 * An element with its properties, or attributes where it has no such property, and its content.
 * @param {string} tag @param {Record<string, any>} given @param {(Node | string)[]} content @returns {any}
 */
export function make(tag, given, ...content) {
  const made = /** @type {any} */ (document.createElement(tag));
  for (const name in given)
    if (name in made) made[name] = given[name];
    else made.setAttribute(name, given[name]);
  made.append(...content);
  return made;
}

/** A page of ours, or what of it is for scripts; null where it is refused, or nobody answers. */
export async function fetched(/** @type {string} */ href, isPart = false) {
  const answer = await fetch(href, { headers: isPart ? { "HX-Request": "true" } : {} }).catch(() => null);
  return answer?.ok ? parsed(await answer.text()) : null;
}

export const parsed = (/** @type {string} */ text) => new DOMParser().parseFromString(text, "text/html");

/** Send a form as it is, but for some fields; null where nobody answers. */
export function sent(/** @type {HTMLFormElement} */ form, /** @type {string} */ action, /** @type {Record<string, string>} */ fields) {
  const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  for (const name in fields) body.set(name, fields[name]);
  return fetch(action, { method: "POST", body }).catch(() => null);
}

/** A dialog or a question is open: keys are for it alone. */
export const isAsking = () => !!one("dialog[open], :popover-open");

/** A key of the page: not in a field, not the browser's or a screen reader's, and not turned off. */
export function isKey(/** @type {KeyboardEvent} */ event) {
  const at = /** @type {HTMLElement} */ (event.target);
  return !(event.ctrlKey || event.metaKey || event.altKey || document.documentElement.dataset.keys === "off" ||
    at.matches("input:not([type=checkbox]), textarea, select") || isAsking());
}

/** Keys that do something else than press an element. @param {Record<string, () => void>} table */
export const onKeys = (table) => document.addEventListener("keydown", (event) => {
  if (!isKey(event) || !table[event.key]) return;
  event.preventDefault();
  table[event.key]();
}, true);

// The answer to a form has the form's address: asked for again it would not be this page.
if (meta("place")) history.replaceState(null, "", meta("place"));

document.addEventListener("htmx:config:request", (event) => {
  const { request } = /** @type {CustomEvent} */ (event).detail.ctx;
  if (request.method !== "GET") request.headers["X-Postroom-Form"] = token();
});

document.addEventListener("htmx:after:request", (event) => renew(/** @type {CustomEvent} */ (event).detail.ctx.response));

/** No answer at all: say so; what was chosen and written stays. */
document.addEventListener("htmx:error", () => toast("The server cannot be reached. Try again in a moment."));

/** Open the dialog with this content, unless it is open. @param {string} kind @param {string} label @param {Node[]} content */
export function raise(kind, label, ...content) {
  const dialog = one("#dialog");
  if (dialog.open) return false;
  Object.assign(dialog, { className: kind, ariaLabel: label }).replaceChildren(...content);
  dialog.showModal();
  return true;
}

/** Show the content of a page of ours in the dialog; false where it is refused. @param {string} href */
export async function show(href) {
  const found = await fetched(href), page = found && one("main section", found);
  const end = make("button", { onclick: () => one("#dialog").close() }, "Close");
  return page && raise("help", one("h1", page).textContent, end, page);
}

document.addEventListener("postroom:signed-out", (event) => {
  if (parent !== window) return parent.document.dispatchEvent(new Event(event.type));  // beside a list: once for both
  const href = `/console/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`;
  one("#signed-out")?.remove();
  document.body.prepend(make("p", { id: "signed-out", role: "status" },
    "You were signed out. ", make("a", { href, "data-dialog": "" }, "Sign in to go on")));
  show(href);
});
