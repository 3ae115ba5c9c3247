// The waterfall of one trace: all rows are in memory, those that are seen are elements. 30,000 rows open at once.

const HEIGHT = 26, SPARE = 8;
const box = document.getElementById("waterfall");
const detail = document.getElementById("detail");
const state = document.getElementById("waterfall-state");
const find = document.getElementById("find");
const errorsOnly = document.getElementById("errors-only");
const query = box.dataset.store ? `?store=${encodeURIComponent(box.dataset.store)}` : "";
const base = `/traces/${box.dataset.trace}`;

let data = null, shown = [], chosen = -1, from = 0, span = 1;
const folded = new Set();
const rows = document.createElement("div");
rows.className = "w-rows";
rows.setAttribute("role", "presentation");
box.append(rows);

const answer = await fetch(`${base}/rows.json${query}`, { credentials: "same-origin" });
if (answer.ok) {
  data = await answer.json();
  whole();
  filter();
  const wanted = box.dataset.span ? data.id.indexOf(box.dataset.span) : -1;
  if (wanted >= 0) choose(wanted, true);
} else {
  state.textContent = refusal("The rows", answer.status);
}

function refusal(what, status) {
  return status === 403 ? "This browser is not let in any more: start `moondev dashboard` again and open its link." : `${what} cannot be read just now (${status}): load the page again.`;
}

function text(column, place) { return data.texts[data[column][place]]; }

function hasChildren(place) { return place + 1 < data.count && data.depth[place + 1] > data.depth[place]; }

function filter() {
  const words = find.value.trim().toLowerCase();
  const isSearch = words !== "" || errorsOnly.checked;
  shown = [];
  let under = Infinity;  // the depth of the folded row whose children are left out
  for (let place = 0; place < data.count; place += 1) {
    if (isSearch) {
      if (errorsOnly.checked && text("level", place) !== "ERROR") continue;
      if (words && !["name", "model", "category", "type"].some((column) => text(column, place).toLowerCase().includes(words))) continue;
    } else {
      if (data.depth[place] > under) continue;
      under = folded.has(place) ? data.depth[place] : Infinity;
    }
    shown.push(place);
  }
  rows.style.height = `${shown.length * HEIGHT}px`;
  box.style.height = `${Math.max(shown.length, 4) * HEIGHT + 2}px`;  // the style sheet has its bound
  state.textContent = `${shown.length.toLocaleString("en")} of ${data.count.toLocaleString("en")} observations`;
  if (chosen < 0 || !shown.includes(chosen)) chosen = shown.length ? shown[0] : -1;
  draw();
}

function whole() {
  from = 0;
  span = 1;
  for (let place = 0; place < data.count; place += 1) span = Math.max(span, data.start[place] + data.took[place]);
}

function draw() {
  const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
  const last = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + SPARE);
  const elements = [];
  for (let line = first; line < last; line += 1) elements.push(element(line, shown[line]));
  rows.replaceChildren(...elements);
  if (chosen >= 0) box.setAttribute("aria-activedescendant", `w-${chosen}`);
}

function part(name, content) {
  const item = document.createElement("span");
  item.className = name;
  if (content !== undefined) item.textContent = content;
  return item;
}

function element(line, place) {
  const row = document.createElement("div");
  const level = text("level", place), model = text("model", place), took = duration(data.took[place]);
  row.id = `w-${place}`;
  row.className = `w-row${place === chosen ? " chosen" : ""}${level === "ERROR" ? " bad" : ""}${text("type", place) === "event" ? " event" : ""}`;
  row.style.top = `${line * HEIGHT}px`;
  row.setAttribute("role", "treeitem");
  row.setAttribute("aria-level", data.depth[place] + 1);
  row.setAttribute("aria-setsize", shown.length);
  row.setAttribute("aria-posinset", line + 1);
  row.setAttribute("aria-selected", place === chosen);
  if (hasChildren(place)) row.setAttribute("aria-expanded", !folded.has(place));
  const name = part("w-name");
  name.style.paddingLeft = `${0.3 + Math.min(data.depth[place], 24) * 0.9}rem`;
  const fold = part("w-fold", hasChildren(place) ? (folded.has(place) ? "▸" : "▾") : "");
  fold.dataset.fold = "";
  fold.setAttribute("aria-hidden", "true");  // a row is called by its text; whether it is folded is said apart
  const bdi = document.createElement("bdi");
  bdi.textContent = text("name", place);
  name.append(fold, bdi);
  if (level === "ERROR") name.append(part("w-model", ` error ${text("category", place)}`));
  else if (model) name.append(part("w-model", ` ${model}`));
  name.title = `${text("name", place)} ${model}`;
  const track = part("w-track"), bar = part("w-bar");
  const left = ((data.start[place] - from) / span) * 100, width = (data.took[place] / span) * 100;
  if (left <= 100 && left + width >= 0) {
    bar.style.left = `${Math.min(Math.max(left, 0), 99.5)}%`;
    bar.style.width = `${Math.min(width + Math.min(left, 0), 100 - Math.max(left, 0))}%`;
    track.append(bar);
  }
  row.append(name, track, part("w-took", took));
  row.addEventListener("click", (event) => {
    if (event.target.dataset.fold !== undefined && hasChildren(place)) toggle(place);
    else choose(place, true);
  });
  return row;
}

function duration(microseconds) {
  const ms = microseconds / 1000;
  return ms >= 60000 ? `${(ms / 60000).toFixed(1)} min` : ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function toggle(place, fold = !folded.has(place)) {
  if (fold) folded.add(place); else folded.delete(place);
  filter();
}

async function choose(place, open) {
  chosen = place;
  const line = shown.indexOf(place);
  if (line < 0) return;
  if (open) {  // the address is that of what is seen
    const address = new URL(location.href);
    address.searchParams.set("span", data.id[place]);
    history.replaceState(null, "", address);
  }
  if (line * HEIGHT < box.scrollTop) box.scrollTop = line * HEIGHT;
  else if ((line + 1) * HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = (line + 1) * HEIGHT - box.clientHeight;
  draw();
  if (!open) return;
  const reply = await fetch(`${base}/${data.id[place]}/part${query}`, { credentials: "same-origin" });
  if (chosen !== place) return;
  if (!reply.ok) { detail.textContent = refusal("This observation", reply.status); return; }
  const parsed = new DOMParser().parseFromString(await reply.text(), "text/html");  // the server has escaped every text
  detail.replaceChildren(...parsed.body.childNodes);
  detail.scrollTop = 0;
  if (matchMedia("(max-width: 60rem)").matches) detail.scrollIntoView({ block: "nearest" });  // it is below the rows there
}

box.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
new ResizeObserver(() => data && draw()).observe(box);
find.addEventListener("input", () => data && filter());
errorsOnly.addEventListener("change", () => data && filter());
document.getElementById("whole").addEventListener("click", () => { if (data) { whole(); draw(); } });
document.getElementById("zoom").addEventListener("click", () => {
  if (!data || chosen < 0) return;
  from = data.start[chosen];
  span = Math.max(data.took[chosen], 1);
  draw();
});
box.addEventListener("keydown", (event) => {
  if (!data || !shown.length) return;
  const line = shown.indexOf(chosen), page = Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 1);
  const steps = { ArrowDown: line + 1, ArrowUp: line - 1, PageDown: line + page, PageUp: line - page, Home: 0, End: shown.length - 1 };
  if (event.key in steps) choose(shown[Math.min(Math.max(steps[event.key], 0), shown.length - 1)], false);
  else if (event.key === "Enter" || event.key === " ") choose(chosen, true);
  else if (event.key === "ArrowRight" && hasChildren(chosen)) toggle(chosen, false);
  else if (event.key === "ArrowLeft") {
    if (hasChildren(chosen) && !folded.has(chosen)) toggle(chosen, true);
    else for (let place = chosen - 1; place >= 0; place -= 1) if (data.depth[place] < data.depth[chosen]) { choose(place, false); break; }
  } else return;
  event.preventDefault();
});
