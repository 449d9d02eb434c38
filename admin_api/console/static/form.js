// @ts-check
/**
 * Forms: what htmx sends carries the token of the page, and faults come to stand beside their fields.
 *
 * - The token is in <meta name="form-token">; a form without scripts has it in a hidden field.
 * - Signed out meanwhile: the sign-in page opens in the dialog, and what was written stays.
 */

const token = () => document.querySelector('meta[name="form-token"]')?.getAttribute("content") ?? "";

document.addEventListener("htmx:config:request", (event) => {
  const { request } = /** @type {CustomEvent} */ (event).detail.ctx;
  if (request.method !== "GET") request.headers["X-Postroom-Form"] = token();
});

/** A fault of a field that is shown goes beside it. */
document.addEventListener("htmx:after:swap", () => {
  for (const one of document.querySelectorAll("#toasts [data-field]")) {
    const field = document.querySelector(`form [name="${CSS.escape(one.getAttribute("data-field") ?? "")}"]`);
    if (!field) continue;
    const beside = document.createElement("p");
    beside.className = "fault";
    beside.setAttribute("role", "alert");
    beside.textContent = one.lastChild?.textContent ?? "";
    field.setAttribute("aria-invalid", "true");
    field.after(beside);
    one.remove();
  }
});

/** No answer at all: say so; what was chosen and written stays. */
document.addEventListener("htmx:error", () => {
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.setAttribute("role", "alert");
  toast.textContent = "The server cannot be reached. Try again in a moment.";
  document.getElementById("toasts")?.replaceChildren(toast);
});

document.addEventListener("postroom:signed-out", async () => {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById("dialog"));
  if (!dialog || dialog.open) return;
  const answer = await fetch(`/console/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = page.querySelector("main section");
  if (!answer.ok || !form) return;
  dialog.replaceChildren(document.importNode(form, true));
  dialog.showModal();
});
