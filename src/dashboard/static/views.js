// Keep addresses with their filters under names, in this browser: the store is only read.

const KEY = "moondev-views", MOST = 50;

export function offerViews() {
  const box = document.createElement("details"), summary = document.createElement("summary");
  const list = document.createElement("ul"), form = document.createElement("form");
  box.className = "views";
  summary.textContent = "Views";
  form.innerHTML = '<label for="view-name">Keep this page and its filters as</label><input id="view-name" maxlength="60" autocomplete="off" required><button>Keep</button>';
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = form.querySelector("input"), name = input.value.trim();
    if (!name) return;
    const others = views().filter((view) => view.name !== name);
    store([...others, { name, href: location.pathname + location.search }].slice(-MOST));
    input.value = "";
    draw();
  });
  const draw = () => {
    list.replaceChildren(...views().map((view) => line(view, draw)));
    summary.textContent = list.childElementCount ? `Views (${list.childElementCount})` : "Views";
  };
  const popup = document.createElement("div");
  popup.append(list, form);
  box.append(summary, popup);
  document.querySelector(".tools").prepend(box);
  addEventListener("storage", (event) => { if (event.key === KEY) draw(); });  // of another tab
  document.addEventListener("click", (event) => { if (!box.contains(event.target)) box.open = false; });
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") { box.open = false; summary.focus(); } });
  draw();
}

function line(view, draw) {
  const item = document.createElement("li"), link = document.createElement("a"), remove = document.createElement("button");
  const name = document.createElement("bdi");
  name.textContent = view.name;
  link.href = view.href;
  link.append(name);
  remove.type = "button";
  remove.className = "quiet";
  remove.textContent = "Remove";
  remove.setAttribute("aria-label", `Remove ${view.name}`);
  remove.addEventListener("click", (event) => {
    event.stopPropagation();  // the line is gone when the page would look where the click was
    store(views().filter((other) => other.name !== view.name));
    draw();
  });
  item.append(link, remove);
  return item;
}

// What stands in the storage may be of another program on this port: addresses of this site alone are links.
function views() {
  try {
    const items = JSON.parse(localStorage.getItem(KEY) || "[]");
    return items.filter((view) => typeof view.name === "string" && typeof view.href === "string" && /^\/(?![/\\])/.test(view.href));
  } catch { return []; }
}

function store(items) {
  try { localStorage.setItem(KEY, JSON.stringify(items)); } catch { /* storage is full, or switched off */ }
}
