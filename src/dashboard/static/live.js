// Show observations as they end: ask each second for those after the last one that is here.

const table = document.getElementById("live"), body = table.tBodies[0];
const pause = document.getElementById("pause"), callsOnly = document.getElementById("calls-only");
const state = document.getElementById("live-state");
const MOST = 500;
let after = Number(table.dataset.after), total = 0, calls = 0, missed = 0;

pause.addEventListener("click", () => {
  const isPaused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", isPaused);
  pause.textContent = isPaused ? "Go on" : "Pause";
});
callsOnly.addEventListener("change", () => { for (const row of body.rows) hide(row); tell(); });

function hide(row) { row.hidden = callsOnly.checked && row.dataset.call === undefined; }

function tell() {
  if (!total) { state.textContent = "Waiting for the next observation."; return; }
  const some = callsOnly.checked ? `${calls.toLocaleString("en")} model calls of ${total.toLocaleString("en")} observations` : total.toLocaleString("en");
  const rest = [missed ? `${missed.toLocaleString("en")} more came too fast to show` : "", total > MOST ? `the newest ${MOST} are listed` : ""];
  state.textContent = ["n = " + some + ": the newest when this page was opened, and those that ended since", ...rest.filter(Boolean)].join("; ");
}

function cell(row, text, name = "") {
  const item = row.insertCell();
  item.className = name;
  const bdi = document.createElement("bdi");
  bdi.textContent = text;
  item.append(bdi);
  return bdi;
}

function add(item) {
  const row = body.insertRow(0);
  if (item.is_call) row.dataset.call = "";
  cell(row, item.time);
  const link = document.createElement("a");
  const store = table.dataset.store ? `&store=${encodeURIComponent(table.dataset.store)}` : "";
  link.href = `/traces/${item.trace}?span=${item.span}${store}`;
  const name = cell(row, item.name);
  name.replaceWith(link);
  link.append(name);
  for (const key of ["type", "model", "agent"]) cell(row, item[key]);
  cell(row, item.took, "right");
  cell(row, item.cost, "right");
  cell(row, item.level === "ERROR" ? item.error : "");
  hide(row);
}

class Refused extends Error {}

async function look() {
  if (pause.getAttribute("aria-pressed") !== "true" && !document.hidden) {
    const store = table.dataset.store ? `&store=${encodeURIComponent(table.dataset.store)}` : "";
    try {
      const answer = await fetch(`/live/rows.json?after=${after}${store}`, { credentials: "same-origin" });
      if (answer.status === 403) throw new Refused("This browser is not let in any more: start `moondev dashboard` again and open its link.");
      if (!answer.ok) throw new Refused(`The dashboard cannot read the store just now (${answer.status}); it is tried again.`);
      const news = await answer.json();
      after = news.after;
      total += news.rows.length;
      calls += news.rows.filter((item) => item.is_call).length;
      missed += news.left_out;
      news.rows.forEach(add);
      while (body.rows.length > MOST) body.deleteRow(-1);
      tell();
    } catch (error) {
      state.textContent = error instanceof Refused ? error.message : "The dashboard does not answer: is it still running?";
    }
  }
  setTimeout(look, 1000);
}
look();
