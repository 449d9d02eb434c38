// @ts-check
/**
 * Single keys: each presses, or focuses, the element that is named by data-key.
 *
 * Off in fields, with Ctrl, Alt and Meta, while a dialog is open, and by the choice of this browser.
 */

document.addEventListener("keydown", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.documentElement.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
  if (at.matches("input:not([type=checkbox]), textarea, select")) return;
  const found = [...document.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)];
  const one = /** @type {HTMLElement | undefined} */ (found.find((each) => each.checkVisibility()));
  if (!one) return;
  event.preventDefault();
  if (one.matches("a, button, summary")) one.click();
  else one.focus();
});
