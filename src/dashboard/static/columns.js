// Let the reader choose which columns of a table are shown; the choice stays in this browser.

const FEWEST = 6;  // columns from which on there is a choice

export function chooseColumns() {
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    if (headings.length >= FEWEST) addChoice(table, headings.map((heading) => heading.textContent.trim()));
  }
}

function addChoice(table, names) {
  const panel = table.closest(".panel");
  const key = `moondev-columns ${location.pathname.split("/")[1]} ${panel ? panel.id : ""}`;
  const hidden = new Set(stored(key).filter((name) => names.includes(name)));
  const box = document.createElement("details"), summary = document.createElement("summary");
  box.className = "columns";
  const list = document.createElement("div");
  list.className = "columns-list";
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Columns");
  names.forEach((name) => {
    const label = document.createElement("label"), input = document.createElement("input");
    input.type = "checkbox";
    input.checked = !hidden.has(name);
    input.addEventListener("change", () => {
      if (input.checked) hidden.delete(name); else if (hidden.size < names.length - 1) hidden.add(name); else input.checked = true;
      keep(key, [...hidden]);
      show(table, names, hidden, summary);
    });
    label.append(input, ` ${name}`);
    list.append(label);
  });
  box.append(summary, list);
  table.closest(".scroll").before(box);
  show(table, names, hidden, summary);
}

function show(table, names, hidden, summary) {
  summary.textContent = hidden.size ? `Columns (${names.length - hidden.size} of ${names.length})` : "Columns";
  for (const row of table.rows) names.forEach((name, place) => { if (row.cells[place]) row.cells[place].hidden = hidden.has(name); });
}

function stored(key) {
  try {
    const names = JSON.parse(localStorage.getItem(key) || "[]");
    return Array.isArray(names) ? names : [];
  } catch { return []; }
}

function keep(key, names) {
  try { if (names.length) localStorage.setItem(key, JSON.stringify(names)); else localStorage.removeItem(key); } catch { /* it then holds for this page alone */ }
}
