// Keys for those who stay on the keyboard. They can be switched off, as speech input may type them
// (https://www.w3.org/TR/WCAG21/#character-key-shortcuts).

const KEYS = [
  ["/", "Go to the search, or the first filter", () => focus("#find, #f-text, .filters select, .filters input:not([type=hidden])")],
  ["t", "Traces with these filters", () => follow('.menu a[href^="/traces"]')],
  ["o", "Overview with these filters", () => follow(".menu a")],
  ["n", "Older traces (the next page)", () => follow(".pager a[data-older]")],
  ["c", "Clear the filters", () => follow(".filters .buttons a")],
  ["?", "These keys", () => open()],
];
const OFF = "moondev-keys-off";
let dialog = null;

export function listenForKeys() {
  const button = document.getElementById("keys-button");
  button.hidden = false;
  button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isOff()) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    const key = KEYS.find(([name]) => name === event.key);
    if (key && key[2]() !== false) event.preventDefault();
  });
}

function isOff() {
  try { return localStorage.getItem(OFF) === "1"; } catch { return false; }
}

function focus(selector) {
  const item = [...document.querySelectorAll(selector)].sort((a, b) => (b.id === "find" || b.id === "f-text") - (a.id === "find" || a.id === "f-text"))[0];
  if (!item) return false;
  const box = item.closest("details");
  if (box) box.open = true;
  item.focus();
  return true;
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (!link) return false;
  link.click();
  return true;
}

function open() {
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "keys-title");
    dialog.innerHTML = '<h2 id="keys-title">Keys</h2><dl class="keys"></dl><p>Tables: their headings are buttons that sort. Waterfall: arrows move, Enter opens, left and right fold.</p><p><label><input type="checkbox" id="keys-on"> These keys work (Tab, Enter and arrows always do)</label></p><form method="dialog"><button>Close</button></form>';
    const list = dialog.querySelector("dl");
    for (const [name, text] of KEYS) {
      const row = document.createElement("div"), key = document.createElement("dt"), words = document.createElement("dd");
      key.append(Object.assign(document.createElement("kbd"), { textContent: name }));
      words.textContent = text;
      row.append(key, words);
      list.append(row);
    }
    const box = dialog.querySelector("#keys-on");
    box.addEventListener("change", () => {
      try { if (box.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "1"); } catch { box.checked = true; }
    });
    document.body.append(dialog);
  }
  dialog.querySelector("#keys-on").checked = !isOff();
  dialog.showModal();
  return true;
}
