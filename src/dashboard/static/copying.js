// Buttons that copy an observation's link, its JSON or one of its texts, also in parts that come later.

export function offerCopies() {
  fill(document);
  const detail = document.getElementById("detail");
  if (detail) new MutationObserver(() => fill(detail)).observe(detail, { childList: true });
}

function fill(root) {
  for (const place of root.querySelectorAll(".copy:empty")) {
    if (place.dataset.link) place.append(button("Copy link", () => new URL(place.dataset.link, location.href).href));
    if (place.dataset.json) place.append(button("Copy JSON", () => fetched(place.dataset.json)));
    if (place.dataset.text) place.append(button("Copy", () => fetched(place.dataset.text)));
  }
}

async function fetched(address) {
  const reply = await fetch(address, { credentials: "same-origin" });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return reply.text();
}

function button(label, content) {
  const item = document.createElement("button");
  item.type = "button";
  item.className = "quiet";
  item.textContent = label;
  item.setAttribute("aria-live", "polite");
  item.addEventListener("click", async () => {
    let answer = "Copied";
    try { await navigator.clipboard.writeText(await content()); } catch { answer = "Not copied"; }  // such as without HTTPS on another host
    item.textContent = answer;
    setTimeout(() => { item.textContent = label; }, 1500);
  });
  return item;
}
