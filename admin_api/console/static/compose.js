// @ts-check
/**
 * The composer: an answer is saved as a draft three seconds after a key, for teammates to see that
 * somebody is replying. The form is sent with the version that was saved last.
 *
 * Files are chosen, dropped or pasted, and uploaded one after the other before the form is sent.
 */
import { make, token } from "./form.js";

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-letter]"));
const AFTER = 3000;
let timer = 0, busy = false, sending = false;

/** @param {string} name */
const field = (name) => /** @type {HTMLInputElement} */ (form?.elements.namedItem(name));

async function save() {
  if (!form || busy || sending || !field("text").value.trim()) return;
  busy = true;
  const data = new FormData(form);
  data.set("quiet", "1");
  const body = new URLSearchParams(/** @type {any} */ (data));
  const answer = await fetch(form.action.replace(/letter\/$/, "draft/"), { method: "POST", body }).catch(() => null);
  busy = false;
  if (answer?.status === 204) {
    field("draft_id").value = answer.headers.get("X-Draft") ?? "";
    field("draft_tag").value = answer.headers.get("ETag") ?? "";
  }
  if (sending) form.requestSubmit();
}

if (form?.action.endsWith("/letter/")) {
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(save, AFTER);
  });
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    sending = true;
    if (busy) event.preventDefault();
  });
}

// --- files

const files = /** @type {HTMLInputElement | null} */ (document.getElementById("letter-files"));
const list = document.getElementById("letter-list");
files?.parentElement?.removeAttribute("hidden");

/** @param {string} text @param {string} [value] */
function row(text, value) {
  const file = () => [make("input", { type: "hidden", name: "file", value }), " ",
    make("button", { type: "button", className: "plain", "data-remove": "" }, "Remove")];
  const one = make("li", {}, make("bdi", {}, text), ...(value ? file() : []));
  list?.append(one);
  return one;
}

/** @param {Iterable<File>} chosen */
async function add(chosen) {
  for (const file of chosen) {
    const line = row(`${file.name}: on its way`);
    const path = `${files?.dataset.files}?filename=${encodeURIComponent(file.name)}`;
    const headers = { "X-Postroom-Form": token(), "Content-Type": file.type || "application/octet-stream" };
    const answer = await fetch(path, { method: "POST", body: file, headers }).catch(() => null);
    const told = answer?.ok ? await answer.json() : { fault: "It could not be uploaded." };
    line.remove();
    if (told.file) row(told.filename, told.file);
    else row(`${file.name}: ${told.fault}`);
  }
  form?.dispatchEvent(new Event("input"));
}

files?.addEventListener("change", () => {
  add([...(files.files ?? [])]);
  files.value = "";
});
list?.addEventListener("click", (event) => {
  const at = /** @type {Element} */ (event.target);
  if (at.matches("[data-remove]")) at.closest("li")?.remove();
});
form?.addEventListener("dragover", (event) => event.preventDefault());
const carried = (/** @type {Event} */ event, /** @type {DataTransfer | null} */ held) => {
  if (!held?.files.length) return;
  event.preventDefault();
  add([...held.files]);
};
form?.addEventListener("drop", (event) => carried(event, event.dataTransfer));
form?.addEventListener("paste", (event) => carried(event, event.clipboardData));
