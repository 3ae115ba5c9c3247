// Draw each figure.chart with Apache ECharts, from the JSON in it. Tooltips are drawn on the canvas ("richText"), so that
// the page needs no inline style; colours are those of style.css, light or dark.

import * as echarts from "./echarts.js";
import { go, zoomByDragging } from "./zoom.js";

const dark = matchMedia("(prefers-color-scheme: dark)"), paper = matchMedia("print");
const DAY = 86400000;
const drawn = [];

export function drawAll() {
  for (const figure of document.querySelectorAll(".chart")) {
    const data = JSON.parse(figure.querySelector("script").textContent, inOneLine);
    const chart = echarts.init(figure, null, { renderer: "canvas" });
    drawn.push([chart, figure.dataset.chart, data]);
    chart.on("click", (event) => open(event, data));
    zoomByDragging(chart, data);
    new ResizeObserver(() => resized(chart)).observe(figure);
  }
  paint();
  for (const look of [dark, paper, matchMedia("(forced-colors: active)")]) look.addEventListener("change", paint);
  document.addEventListener("moondev-theme", paint);
}

// Names may have line ends, and be as long as a page: of a long one beginning and end are drawn. Addresses stay.
function inOneLine(key, value) {
  if (typeof value !== "string" || key === "href" || value.startsWith("/traces")) return value;
  const name = value.replace(/\s+/g, " ");
  return name.length > 60 ? `${name.slice(0, 36)}…${name.slice(-20)}` : name;
}

// A mark leads to its trace, a bar to the traces that it counts.
function open(event, data) {
  if (event.data && event.data.href) location.assign(event.data.href);
  if (data.hrefs && data.hrefs[event.dataIndex]) location.assign(data.hrefs[event.dataIndex]);
  const series = data.series && data.series[event.seriesIndex];
  if (!series || !series.href || !data.daily || !event.value || !event.value[1]) return;
  const [from, to] = data.bounds || [null, null], day = event.value[0];
  go(series.href, Math.max(day, from ?? day), Math.min(day + DAY, to ?? day + DAY));
}

function paint() {
  for (const [chart, kind, data] of drawn) {
    draw(chart, kind, data);
    chart.getZr().flush();  // before the page goes to paper
    chart.getDom().dataset.drawn = "true";
  }
}

function draw(chart, kind, data) {
  const sized = { ...data, width: chart.getWidth() };
  const height = (kind === "bars" || kind === "intervals") && lies(sized) ? `${data.x.length * LYING + 80}px` : "";
  if (chart.getDom().style.height !== height) {
    chart.getDom().style.height = height;
    chart.resize();
  }
  chart.setOption({ ...frame(), ...kinds[kind](sized) }, true);
}

// How names stand beside a chart depends on its width.
function resized(chart) {
  const before = chart.getWidth();
  chart.resize();
  const [, kind, data] = drawn.find(([other]) => other === chart);
  if (chart.getWidth() !== before && ((data.x && !data.time) || data.names)) draw(chart, kind, data);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function frame() {
  const text = colour("text");
  return {
    animation: false,
    color: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => colour(`c${number}`)),
    textStyle: { color: text, fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 8, right: 16, top: 36, bottom: 8, containLabel: true },
    legend: { top: 0, left: 0, type: "scroll", textStyle: { color: text }, pageTextStyle: { color: text } },
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, backgroundColor: colour("card"), borderColor: colour("line"), textStyle: { color: text } },
  };
}

const formats = {
  money: (value) => (value === 0 ? "$0" : Math.abs(value) >= 0.01 ? `$${value.toLocaleString("en", { maximumFractionDigits: 4 })}` : `$${value.toPrecision(2)}`),
  ms: (value) => (value >= 60000 ? `${(value / 60000).toFixed(1)} min` : value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value > 0 && value < 10 ? 1 : 0)} ms`),
  share: (value) => `${(value * 100).toFixed(1)}%`,
  points: (value) => `${value > 0 ? "+" : ""}${(value * 100).toFixed(2)}%`,
  count: (value) => value.toLocaleString("en"),
  number: (value) => value.toLocaleString("en", { maximumFractionDigits: 6 }),
};

function say(kind) {
  return (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : (formats[kind] || formats.number)(Number(value)));
}

function lines(axis) {
  const soft = colour("soft");
  return { ...axis, axisLabel: { color: soft, hideOverlap: true, ...axis.axisLabel }, axisLine: { lineStyle: { color: colour("line") } }, splitLine: { lineStyle: { color: colour("grid") } }, nameTextStyle: { color: soft } };
}

function valueAxis(kind, more = {}) {
  return lines({ type: "value", scale: true, axisLabel: { formatter: say(kind) }, ...more });
}

// Names that begin alike would all be cut to the same text: their beginning is left out.
function shortened(names) {
  let common = names.length > 1 ? names[0] : "";
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  return common.length > 12 ? names.map((name) => `…${name.slice(common.length)}`) : names;
}

function longest(names) { return 7 * Math.max(0, ...names.map((name) => name.length)); }

// Names stand upright where they fit in three lines at most.
function fits(names, width) {
  const room = (width - 90) / names.length - 10;
  return longest(longest(names) <= room ? names : shortened(names)) <= room * (room > 80 ? 2.5 : 1);
}

// On a phone, where names would be turned, bars lie: each name has its own line.
function lies(data) { return !data.time && data.width < 600 && !fits(data.x, data.width); }

const LYING = 46;  // pixels of one name

// `counts` are what each name rests on: they stand below it, or after it where names are turned: each is then in one
// line, and turned so far that no two touch.
function namesAxis(all, counts, width) {
  const step = (width - 90) / all.length, room = step - 10;
  const names = longest(all) <= room ? all : shortened(all);
  const count = (place) => (counts ? `n = ${counts[place].toLocaleString("en")}` : "");
  const below = (name, place) => (counts ? `${names[place]}\n${count(place)}` : names[place]);
  const common = { interval: 0, lineHeight: 14 };
  if (fits(all, width)) return lines({ type: "category", data: all, axisLabel: { ...common, rotate: 0, width: room, overflow: "break", hideOverlap: all.length > 30, formatter: below } });
  const turn = step > 16 ? Math.max(step < 60 ? 55 : 35, Math.ceil((Math.asin(16 / step) * 180) / Math.PI)) : 90;
  // The first name reaches to the left of its bar, and must not leave the chart.
  const most = Math.floor(Math.min(width > 600 ? 220 : 150, (60 + step / 2) / Math.cos((Math.min(turn, 85) * Math.PI) / 180)) / 7);
  const cut = (name, rest) => (name.length + rest.length <= most ? name : `${name.slice(0, Math.max(most - rest.length - 1, 4))}…`) + rest;
  return lines({ type: "category", data: all, axisLabel: { ...common, rotate: turn, hideOverlap: step < 16, formatter: (name, place) => cut(names[place], counts ? `, ${count(place)}` : "") } });
}

// Of a name that is too long beginning and end are left: names of models differ at their ends.
function within(name, most) {
  const end = Math.ceil(most * 0.6);
  return name.length <= most ? name : `${name.slice(0, Math.max(most - end - 1, 1))}…${name.slice(-end)}`;
}

// A name in two lines at most, of so many characters.
function inLines(name, most) {
  const lines = [""];
  for (const word of name.split(" ")) {
    const last = lines[lines.length - 1];
    if (!last || last.length + word.length < most) lines[lines.length - 1] = last ? `${last} ${word}` : word;
    else lines.push(word);
  }
  return [lines[0], lines.slice(1).join(" ")].filter(Boolean).map((line) => within(line, most)).join("\n");
}

const CHARACTER = 7.3;  // its width in pixels, rather too much

// A category axis on the left, and where the grid then begins; the first name is on top.
function leftAxis(names, share, label, more = {}) {
  const texts = names.map(label(Math.floor(share / CHARACTER)));
  const widest = Math.max(...texts.flatMap((text) => text.split("\n").map((line) => line.length)));
  const axis = lines({ type: "category", data: names, axisLabel: { interval: 0, lineHeight: 13, hideOverlap: false, formatter: (_, place) => texts[place] }, ...more });
  return [axis, Math.ceil(widest * CHARACTER) + 10];
}

// The axes of a chart by names: lying ones have the names on the left.
function namedAxes(data, value, top = frame().grid.top) {
  const grid = { ...frame().grid, top };
  if (!lies(data)) {
    const room = (data.width - 90) / data.x.length - 10;
    const rows = fits(data.x, data.width) ? Math.ceil(longest(data.x) / Math.max(room, 1)) : 1;
    return { xAxis: namesAxis(data.x, data.n, data.width), yAxis: value, grid: { ...grid, bottom: 8 + 14 * Math.max(0, rows - 1) } };
  }
  const names = shortened(data.x);
  const label = (most) => (_, place) => inLines(names[place], most) + (data.n ? `\nn = ${data.n[place].toLocaleString("en")}` : "");
  const [axis, left] = leftAxis(data.x, 0.42 * data.width, label, { inverse: true });
  return { xAxis: value, yAxis: axis, grid: { ...grid, left, right: 34, bottom: 28, containLabel: false } };
}

function xAxis(data) {
  const days = data.daily ? { minInterval: 86400000, axisLabel: { formatter: { year: "{yyyy}", month: "{d} {MMM}", day: "{d} {MMM}", hour: "", minute: "", second: "" } } } : {};
  return data.time ? lines({ type: "time", splitLine: { show: false }, ...days }) : namesAxis(data.x, data.n, data.width);
}

function along(data, values) {
  return data.time ? data.x.map((moment, place) => [moment, values[place]]) : values;
}

function limitLine(data) {
  if (!data.line) return {};
  return { markLine: { symbol: "none", silent: true, label: { formatter: data.line.name, color: colour("text"), position: "insideEndTop" }, lineStyle: { color: colour("bad"), type: "dashed" }, data: [lies(data) ? { xAxis: data.line.value } : { yAxis: data.line.value }] } };
}

// Whiskers from low to high: [value, low, high] for each name; lying ones where names stand on the left.
function whiskers(values, tint, lying = false) {
  return {
    type: "custom", name: "95% interval", silent: true, z: 5, encode: lying ? { y: 0, x: [1, 2] } : { x: 0, y: [1, 2] },
    data: values.map((item, place) => (item[1] === null ? null : [place, item[1], item[2]])).filter(Boolean),
    renderItem: (params, api) => {
      const at = (amount) => (lying ? api.coord([amount, api.value(0)]) : api.coord([api.value(0), amount]));
      const [[x1, y1], [x2, y2]] = [at(api.value(1)), at(api.value(2))];
      const shape = (fromX, fromY, toX, toY) => ({ type: "line", shape: { x1: fromX, y1: fromY, x2: toX, y2: toY }, style: { stroke: tint, lineWidth: 2 } });
      const [dx, dy] = lying ? [0, 5] : [5, 0];
      return { type: "group", children: [shape(x1, y1, x2, y2), shape(x1 - dx, y1 - dy, x1 + dx, y1 + dy), shape(x2 - dx, y2 - dy, x2 + dx, y2 + dy)] };
    },
  };
}

const kinds = {
  lines(data) {
    return {
      xAxis: xAxis(data), yAxis: valueAxis(data.kind, { scale: !data.zero }),
      tooltip: { ...frame().tooltip, valueFormatter: say(data.kind) },
      series: data.series.map((item, place) => ({ type: "line", name: item.name, data: along(data, item.data), showSymbol: data.x.length < 40, symbolSize: 6, lineStyle: { width: 2, type: ["solid", "dashed", "dotted"][Math.floor(place / 3) % 3] }, connectNulls: false })),
    };
  },
  bars(data) {
    const value = valueAxis(data.kind, { scale: false, ...(lies(data) ? { splitNumber: 2 } : {}) });
    return {
      ...(data.time ? { xAxis: xAxis(data), yAxis: value } : namedAxes(data, value)),
      tooltip: { ...frame().tooltip, valueFormatter: say(data.kind) },
      series: data.series.map((item, place) => ({ type: "bar", name: item.name, cursor: item.href ? "pointer" : "default", stack: data.stacked ? "all" : undefined, barMaxWidth: 38, data: along(data, item.data), ...(place ? {} : limitLine(data)) })),
    };
  },
  intervals(data) {
    const share = say(data.kind), lying = lies(data);
    const point = data.values.map((item, place) => ({ value: item[0], n: data.n[place], low: item[1], high: item[2] }));
    return {
      legend: { show: false }, ...namedAxes(data, valueAxis(data.kind, lying ? { splitNumber: 2 } : {}), 20),
      tooltip: { ...frame().tooltip, formatter: (items) => {
        const item = (Array.isArray(items) ? items : [items]).find((part) => part.seriesType === "scatter");
        if (!item) return "";
        const { n, low, high } = item.data;
        return `${item.name}\n${share(item.data.value)}${low === null ? "" : ` (${share(low)} to ${share(high)})`}, n = ${n}`;
      } },
      series: [
        { type: "scatter", data: point, symbolSize: 11, itemStyle: { color: colour("c1") }, markLine: data.base === undefined ? undefined : { symbol: "none", silent: true, label: { formatter: share(data.base), color: colour("soft"), position: lying ? "start" : "insideEndTop" }, lineStyle: { color: colour("soft"), type: "dashed" }, data: [lying ? { xAxis: data.base } : { yAxis: data.base }] } },
        whiskers(data.values, colour("c1"), lying),
      ],
    };
  },
  calibration(data) {
    const share = say("share");
    return {
      legend: { show: false },
      xAxis: valueAxis("share", { min: 0, max: 1, name: "stated confidence", nameLocation: "middle", nameGap: 28 }),
      yAxis: valueAxis("share", { min: 0, max: 1, name: "went their way" }),
      grid: { left: 8, right: 32, top: 36, bottom: 30, containLabel: true },
      tooltip: { ...frame().tooltip, trigger: "item", formatter: (item) => (item.seriesType === "scatter" ? `confidence ${share(item.value[0])}\nright ${share(item.value[1])} (${share(item.value[2])} to ${share(item.value[3])}), n = ${item.value[4]}` : "") },
      series: [
        { type: "line", data: [[0, 0], [1, 1]], showSymbol: false, silent: true, lineStyle: { type: "dashed", color: colour("soft") } },
        { type: "scatter", data: data.points, symbolSize: (value) => Math.min(8 + Math.sqrt(value[4]), 30), itemStyle: { color: colour("c1"), opacity: 0.85 } },
        { ...whiskers([], colour("c1")), encode: { x: 0, y: [1, 2] }, data: data.points.filter((item) => item[2] !== null).map((item) => [item[0], item[2], item[3]]) },
      ],
    };
  },
  bubbles(data) {
    const x = say(data.x), y = say(data.y);
    return {
      legend: { show: false },
      xAxis: valueAxis(data.x, { name: "cost of a decision", nameLocation: "middle", nameGap: 28 }), yAxis: valueAxis(data.y, { name: "hit rate" }),
      grid: { left: 8, right: 60, top: 36, bottom: 30, containLabel: true },
      tooltip: { ...frame().tooltip, trigger: "item", formatter: (item) => (item.seriesType === "scatter" ? `${item.value[5]}\n${y(item.value[1])} (${y(item.value[2])} to ${y(item.value[3])}), ${x(item.value[0])} a decision, n = ${item.value[4]}` : "") },
      series: [
        { type: "scatter", data: data.points, symbolSize: 14, itemStyle: { color: colour("c1") }, label: { show: true, position: "right", formatter: (item) => item.value[5], color: colour("text"), width: 140, overflow: "truncate" }, labelLayout: { hideOverlap: true } },
        { ...whiskers([], colour("c1")), data: data.points.map((item) => [item[0], item[2], item[3]]) },
      ],
    };
  },
  heat(data) {
    const share = say(data.kind);
    const [axis, left] = leftAxis(data.names, Math.min(0.3 * data.width, 220), (room) => (name) => within(name, room));
    const most = Math.max(0.01, ...data.cells.map((cell) => cell[2]));
    return {
      legend: { show: false }, xAxis: namesAxis(data.names, undefined, data.width), yAxis: axis,
      grid: { ...frame().grid, top: 12, left, bottom: fits(data.names, data.width) ? 30 : 110, containLabel: false },
      tooltip: { ...frame().tooltip, trigger: "item", formatter: (item) => `${data.names[item.value[0]]} and ${data.names[item.value[1]]}\ndiffered in ${share(item.value[2])} of n = ${item.value[3]}` },
      visualMap: { show: false, min: 0, max: most, dimension: 2, inRange: { color: [colour("chosen"), colour("c1")] } },
      series: [{ type: "heatmap", data: data.cells, label: { show: data.names.length <= 8, formatter: (item) => share(item.value[2]), color: colour("text"), backgroundColor: colour("card"), padding: 3, borderRadius: 3 } }],
    };
  },
  decisions(data) {
    const series = data.bars
      ? [{ type: "candlestick", name: "price", data: data.bars.map((bar) => bar.slice(1)), itemStyle: { color: colour("card"), color0: colour("c8"), borderColor: colour("c8"), borderColor0: colour("c8") } }]
      : [{ type: "line", name: "price", data: data.line, showSymbol: false, lineStyle: { color: colour("c8"), width: 1 } }];
    const times = data.bars ? data.bars.map((bar) => bar[0]) : null;
    const place = (moment) => {
      if (!times) return moment;
      let low = 0, high = times.length - 1;
      while (low < high) { const middle = (low + high + 1) >> 1; if (times[middle] <= moment) low = middle; else high = middle - 1; }
      return low;
    };
    const all = data.marks.map(([t, price, action, result, net, confidence, trace]) => ({ t, price, action, result, net, confidence, href: trace && `/traces/${encodeURIComponent(trace)}${data.query}` }));
    const looks = [["BUY", "triangle", 0], ["SELL", "path://M0 0L10 0L5 9Z", 0], ["NOTHING", "circle", 0]];
    const results = [["right", "good"], ["wrong", "bad"], ["open", "c2"], ["none", "c8"]];
    for (const [action, symbol, turn] of looks) {
      for (const [result, tint] of results) {
        const marks = all.filter((mark) => mark.action === action && mark.result === result);
        if (!marks.length) continue;
        series.push({ type: "scatter", name: result === "none" ? action : `${action} ${result}`, symbol, symbolRotate: turn, symbolSize: action === "NOTHING" ? 7 : 12, z: 5, itemStyle: { color: colour(tint), borderColor: colour("card"), borderWidth: 1 }, cursor: "pointer",
          data: marks.map((mark) => ({ value: [place(mark.t), mark.price], ...mark })) });
      }
    }
    const day = (moment) => new Date(moment).toISOString().slice(0, 16).replace("T", " ");
    return {
      xAxis: times ? lines({ type: "category", data: times.map(day), axisLabel: { hideOverlap: true, lineHeight: 14, formatter: (text) => text.replace(" ", "\n") } }) : lines({ type: "time", splitLine: { show: false } }),
      yAxis: valueAxis("number"), dataZoom: [{ type: "inside" }, { type: "slider", bottom: 4, height: 22, textStyle: { color: colour("soft") }, borderColor: colour("line"), brushSelect: false }],
      grid: { left: 8, right: 40, top: 36, bottom: 36, containLabel: true },
      tooltip: { ...frame().tooltip, trigger: "item", formatter: (item) => {
        const mark = item.data;
        if (!mark || !mark.action) return "";
        return `${mark.action} at ${say("number")(mark.price)}\n${day(mark.t)}\nconfidence ${mark.confidence ?? "–"}\n${mark.result === "none" ? "" : mark.result}${mark.net === null ? "" : `, net ${say("points")(mark.net)}`}\n${mark.href ? "click: its trace" : ""}`;
      } },
      series,
    };
  },
};
