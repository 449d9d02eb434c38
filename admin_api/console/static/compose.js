// @ts-check
/**
 * The composer: an answer is saved as a draft three seconds after a key, for teammates to see that
 * somebody is replying. The form is sent with the version that was saved last.
 *
 * Files are chosen, dropped or pasted, and uploaded one after the other before the form is sent.
 */
import { make, one, sent, token } from "./form.js";

/** @type {HTMLFormElement | null} */
const form = one("form[data-letter]");
const AFTER = 3000;
let timer = 0, busy = false, sending = false;

const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form?.elements.namedItem(name));

async function save() {
  if (!form || busy || sending || !field("text").value.trim()) return;
  busy = true;
  const answer = await sent(form, form.action.replace(/letter\/$/, "draft/"), { quiet: "1" });
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

const files = one("#letter-files"), list = one("#letter-list");

/** @param {string} text @param {string} [value] */
function row(text, value) {
  const line = make("li", {}, make("bdi", {}, text));
  if (value) line.append(make("input", { type: "hidden", name: "file", value }), " ",
    make("button", { type: "button", className: "plain", "data-remove": "" }, "Remove"));
  list.append(line);
  return line;
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
list?.addEventListener("click", (/** @type {any} */ { target }) => { if (target.matches("[data-remove]")) target.closest("li").remove(); });
form?.addEventListener("dragover", (event) => event.preventDefault());
for (const name of ["drop", "paste"]) form?.addEventListener(name, (/** @type {any} */ event) => {
  const held = event.dataTransfer ?? event.clipboardData;
  if (!held?.files.length) return;
  event.preventDefault();
  add([...held.files]);
});
