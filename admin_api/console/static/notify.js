// @ts-check
/**
 * Notifications on the desktop, by the tab that has the stream: the name of the sender, nothing else.
 *
 * Only where the settings and the browser allow them, and while this page has not the focus.
 */
import { fetched } from "./form.js";

document.addEventListener("change", (event) => {
  const { id, value } = /** @type {HTMLSelectElement} */ (event.target);
  if (id === "notify" && value === "on") window.Notification?.requestPermission();
});

document.addEventListener("postroom:frame", async (event) => {
  const { inbox, threads = [], types = [], at = "" } = /** @type {CustomEvent} */ (event).detail;
  const isWanted = types.includes("message.received") && !document.hasFocus();
  if (!isWanted || window.Notification?.permission !== "granted") return;
  const page = await fetched(`/console/${inbox}/?view=unread&follow=${at}`, true);
  const senders = threads.map((/** @type {string} */ id) => page?.querySelector(`#t-${id} .who bdi`)?.textContent ?? "");
  const body = [...new Set(senders)].filter(Boolean).slice(0, 5).join(", ");
  if (body) new Notification("New mail", { body, tag: "postroom" }).onclick = () => window.focus();
});
