// @ts-check
/**
 * The frames of HTML mail: as high as what they show, and keys pressed in one are the page's.
 *
 * What stands below one that comes with the page shows when its height is known (or after two seconds),
 * and a draft is put back: it would move. Nothing runs in a frame; this page measures it and listens there.
 */
import { all, one } from "./form.js";

const MOST = 20000;
const show = () => { if (!one("iframe.mail:not([data-fits])")) one(".waits")?.classList.remove("waits"); };

function fit(/** @type {HTMLIFrameElement} */ frame) {
  const page = frame.contentDocument;
  if (!page?.body || frame.dataset.fits === page.URL || page.URL === "about:blank") return;
  frame.dataset.fits = page.URL;
  const measure = () => {
    const { body, documentElement: root } = page;
    const high = Math.max(body.scrollHeight, Math.ceil(root.getBoundingClientRect().height));
    const bar = root.scrollWidth > root.clientWidth ? 18 : 0;
    frame.style.blockSize = `${Math.min(high + bar, MOST)}px`;
  };
  measure();
  show();
  new ResizeObserver(measure).observe(page.documentElement);
  page.addEventListener("keydown", (event) => {
    if (!frame.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
  });
}

document.addEventListener("load", (event) => {
  const at = /** @type {Element} */ (event.target);
  if (at.matches?.("iframe.mail")) fit(/** @type {HTMLIFrameElement} */ (at));
}, true);
for (const frame of all("iframe.mail")) if (frame.contentDocument?.readyState === "complete") fit(frame);
show();
