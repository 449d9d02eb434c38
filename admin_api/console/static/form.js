// @ts-check
/**
 * What every page needs: elements, keys, the dialog; what htmx sends carries the token of the page.
 *
 * - The token is in <meta name="form-token">; a form without scripts has it in a hidden field.
 * - Signed out meanwhile: the sign-in page opens in the dialog, and what was written stays.
 */
/** What the page says of itself. @param {string} name */
export const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
export const token = () => meta("form-token");

/** Have it read aloud. @param {string} text */
export const say = (text) => document.querySelector('[aria-live="polite"]')?.replaceChildren(text);

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

/** A page of ours, or what of it is for scripts; null where it is refused. */
export async function fetched(/** @type {string} */ href, isPart = false) {
  const answer = await fetch(href, { headers: isPart ? { "HX-Request": "true" } : {} });
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

/** A key of the page: not in a field, not the browser's or a screen reader's, and not turned off. */
export function isKey(/** @type {KeyboardEvent} */ event) {
  const at = /** @type {HTMLElement} */ (event.target);
  return !(event.ctrlKey || event.metaKey || event.altKey || document.documentElement.dataset.keys === "off" ||
    at.matches("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog[open]"));
}

// The answer to a form has the form's address: asked for again it would not be this page.
if (meta("place")) history.replaceState(null, "", meta("place"));

document.addEventListener("htmx:config:request", (event) => {
  const { request } = /** @type {CustomEvent} */ (event).detail.ctx;
  if (request.method !== "GET") request.headers["X-Postroom-Form"] = token();
});

/** No answer at all: say so; what was chosen and written stays. */
document.addEventListener("htmx:error", () => {
  const text = "The server cannot be reached. Try again in a moment.";
  document.getElementById("toasts")?.replaceChildren(make("div", { className: "toast", role: "alert" }, text));
});

/** Open the dialog with this content, unless it is open. @param {string} kind @param {string} label @param {Node[]} content */
export function raise(kind, label, ...content) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
  if (dialog.open) return false;
  dialog.className = kind;
  dialog.setAttribute("aria-label", label);
  dialog.replaceChildren(...content);
  dialog.showModal();
  return true;
}

document.addEventListener("postroom:signed-out", async () => {
  const page = await fetched(`/console/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`);
  const form = page?.querySelector("main section");
  if (form) raise("", "Sign in", document.importNode(form, true));
});
