// Drag over a chart of days or hours to look at these alone: the address gets Since and Until, so that back undoes it.
// Touch scrolls the page instead; the fields Since and Until do the same without a mouse.

const LEAST_PX = 8, DAY = 86400000, HOUR = 3600000;

export function zoomByDragging(chart, data) {
  if (!data.time || !document.getElementById("f-since") || !matchMedia("(pointer: fine)").matches) return;
  const zr = chart.getZr();
  let from = null;
  const draw = (to) => chart.setOption({ graphic: [{ id: "zoom", type: "rect", z: 9, silent: true, invisible: to === null,
    shape: to === null ? { x: 0, y: 0, width: 0, height: 0 } : { x: Math.min(from, to), y: 36, width: Math.abs(to - from), height: Math.max(chart.getHeight() - 60, 0) },
    style: { fill: "rgba(120, 150, 220, 0.3)" } }] });
  zr.on("mousedown", (event) => { from = chart.containPixel("grid", [event.offsetX, event.offsetY]) ? event.offsetX : null; });
  zr.on("mousemove", (event) => {
    if (from !== null && Math.abs(event.offsetX - from) >= LEAST_PX) draw(event.offsetX);
  });
  zr.on("globalout", () => { if (from !== null) draw(null); from = null; });
  zr.on("mouseup", (event) => {
    const to = event.offsetX, begun = from;
    from = null;
    if (begun === null || Math.abs(to - begun) < LEAST_PX) return;
    const [first, last] = [begun, to].map((x) => chart.convertFromPixel({ xAxisIndex: 0 }, x)).sort((a, b) => a - b);
    const step = data.daily ? DAY : HOUR;
    // A bar stands around the beginning of its day: what is dragged over from its middle on counts.
    const since = Math.round(first / step) * step, until = Math.max((Math.floor(last / step + 0.5) + (data.daily ? 0 : 1)) * step, since + step);
    go(location.pathname + location.search, since, until);
  });
}

// Go to an address with other times: bounds of the page that are narrower stay.
export function go(address, since, until) {
  const url = new URL(address, location.href);
  url.searchParams.set("since", stamp(since));
  url.searchParams.set("until", stamp(until));
  location.assign(url);
}

function stamp(moment) {
  return new Date(moment).toISOString().slice(0, -1).replace(/\.000$/, "");
}
