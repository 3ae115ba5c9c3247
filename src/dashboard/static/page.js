// Every page: keep the token out of the address and the history, sort tables, draw charts, and the tools of a reader.

import { chooseColumns } from "./columns.js";
import { offerCopies } from "./copying.js";
import { listenForKeys } from "./keys.js";
import { offerViews } from "./views.js";

const address = new URL(location.href);
if (address.searchParams.has("token")) {
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

// On a phone menu and filters come after a tap, filters unless some are set.
const isPhone = matchMedia("(max-width: 40rem)").matches;
const menuBox = document.querySelector(".menu-box");
if (menuBox && isPhone) menuBox.open = false;
const filterBox = document.querySelector(".filter-box");
if (filterBox && filterBox.dataset.filtered === undefined && isPhone) filterBox.open = false;

// Colours: the system's, light or dark. The choice stays in this browser; theme.js applies it before the first paint.
const THEMES = { "": "Colours: system", light: "Colours: light", dark: "Colours: dark" };
const themeButton = document.getElementById("theme");
let theme = document.documentElement.dataset.theme || "";
themeButton.hidden = false;
showTheme();
themeButton.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  theme = names[(names.indexOf(theme) + 1) % names.length];
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  try { localStorage.setItem("moondev-theme", theme); } catch { /* it then holds for this page alone */ }
  showTheme();
  document.dispatchEvent(new Event("moondev-theme"));
});

function showTheme() { themeButton.textContent = THEMES[theme]; }

// Another tab has chosen other colours.
addEventListener("storage", (event) => {
  if (event.key !== "moondev-theme") return;
  theme = event.newValue === "light" || event.newValue === "dark" ? event.newValue : "";
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  showTheme();
  document.dispatchEvent(new Event("moondev-theme"));
});

// Tables sort by the raw values of their cells; a button in each heading does it, by keyboard too.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => sort(table, headings, place));
  });
}

function sort(table, headings, place) {
  const descends = headings[place].ariaSort !== "descending";
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[place].setAttribute("aria-sort", descends ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[place]), row]);
  rows.sort(([a], [b]) => compare(a, b, descends ? -1 : 1));
  table.tBodies[0].replaceChildren(...rows.map(([, row]) => row));
}

function valueOf(cell) {
  if (cell.dataset.value === undefined) return cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);  // what is unknown comes last, either way
  if (typeof a !== typeof b) return sign * (typeof a === "number" ? -1 : 1);
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
}

// Times are UTC; pointing at one says what it was on this machine's clock.
const zone = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long" });
document.addEventListener("pointerover", (event) => {
  const cell = event.target.closest?.("td[data-time]");
  if (cell && !cell.title) cell.title = `here: ${zone.format(new Date(Number(cell.dataset.value) / 1e6))}`;
});

// On paper folded tables are open.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details:not([open]):not(.filter-box)")];
  for (const item of folded) item.open = true;
});
addEventListener("afterprint", () => { for (const item of folded) item.open = false; });

chooseColumns();
offerCopies();
offerViews();
listenForKeys();

if (document.querySelector(".chart")) {
  import("./charts.js").then((charts) => charts.drawAll()).catch(() => {
    for (const figure of document.querySelectorAll(".chart")) {
      const note = document.createElement("p");
      note.className = "empty";
      note.textContent = "Charts need Apache ECharts, which is not installed (run: make .venv). The tables have the same figures.";
      figure.replaceWith(note);
    }
  });
}
