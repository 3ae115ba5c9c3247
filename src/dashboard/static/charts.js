// Draw each figure.chart with Apache ECharts, from the JSON in it. Tooltips are drawn on the canvas ("richText"), so that
// the page needs no inline style; colours are those of style.css, light or dark.

import * as echarts from "./echarts.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = [];

export function drawAll() {
  for (const figure of document.querySelectorAll(".chart")) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const chart = echarts.init(figure, null, { renderer: "canvas" });
    drawn.push([chart, figure.dataset.chart, data]);
    chart.on("click", (event) => { if (event.data && event.data.href) location.assign(event.data.href); });
    new ResizeObserver(() => resized(chart)).observe(figure);
  }
  paint();
  dark.addEventListener("change", paint);
}

function paint() {
  for (const [chart, kind, data] of drawn) {
    chart.setOption({ ...frame(), ...kinds[kind]({ ...data, width: chart.getWidth() }) }, true);
    chart.getDom().dataset.drawn = "true";
  }
}

// How names stand below a chart depends on its width.
function resized(chart) {
  const before = chart.getWidth();
  chart.resize();
  const [, kind, data] = drawn.find(([other]) => other === chart);
  if (chart.getWidth() !== before && ((data.x && !data.time) || data.names)) chart.setOption({ ...frame(), ...kinds[kind]({ ...data, width: chart.getWidth() }) }, true);
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

// `counts` are what each name rests on: they stand below it. Names stand upright where they fit in three lines at most;
// else they are turned, each in one line with its count, so far that no two touch.
function namesAxis(all, counts, width) {
  const step = (width - 90) / all.length, room = step - 10;
  const longest = (names) => 7 * Math.max(0, ...names.map((name) => name.length));
  const names = longest(all) <= room ? all : shortened(all);
  const count = (place) => (counts ? `n = ${counts[place].toLocaleString("en")}` : "");
  const common = { interval: 0, lineHeight: 14 };
  if (longest(names) <= room * (room > 80 ? 2.5 : 1))
    return lines({ type: "category", data: all, axisLabel: { ...common, rotate: 0, width: room, overflow: "break", hideOverlap: all.length > 30, formatter: (name, place) => (counts ? `${names[place]}\n${count(place)}` : names[place]) } });
  const most = Math.floor((width > 600 ? 220 : 150) / 6.5);  // characters of a turned line
  const cut = (name, rest) => (name.length + rest.length <= most ? name : `${name.slice(0, most - rest.length - 1)}…`) + rest;
  const turn = step > 16 ? Math.max(35, Math.ceil((Math.asin(16 / step) * 180) / Math.PI)) : 90;
  return lines({ type: "category", data: all, axisLabel: { ...common, rotate: turn, hideOverlap: step < 16, formatter: (name, place) => cut(names[place], counts ? `, ${count(place)}` : "") } });
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
  return { markLine: { symbol: "none", silent: true, label: { formatter: data.line.name, color: colour("text"), position: "insideEndTop" }, lineStyle: { color: colour("bad"), type: "dashed" }, data: [{ yAxis: data.line.value }] } };
}

// Bars with whiskers from low to high: [value, low, high] for each name.
function whiskers(values, tint, offset = 0) {
  return {
    type: "custom", name: "95% interval", silent: true, z: 5, encode: { x: offset, y: [offset + 1, offset + 2] },
    data: values.map((item, place) => (item[1] === null ? null : [place, item[1], item[2]])).filter(Boolean),
    renderItem: (params, api) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]);
      const high = api.coord([api.value(0), api.value(2)])[1];
      const shape = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: tint, lineWidth: 2 } });
      return { type: "group", children: [shape(x, low, x, high), shape(x - 5, low, x + 5, low), shape(x - 5, high, x + 5, high)] };
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
    return {
      xAxis: xAxis(data), yAxis: valueAxis(data.kind, { scale: false }),
      tooltip: { ...frame().tooltip, valueFormatter: say(data.kind) },
      series: data.series.map((item, place) => ({ type: "bar", name: item.name, stack: data.stacked ? "all" : undefined, barMaxWidth: 38, data: along(data, item.data), ...(place ? {} : limitLine(data)) })),
    };
  },
  intervals(data) {
    const share = say(data.kind);
    const point = data.values.map((item, place) => ({ value: item[0], n: data.n[place], low: item[1], high: item[2] }));
    return {
      legend: { show: false }, xAxis: namesAxis(data.x, data.n, data.width), yAxis: valueAxis(data.kind),
      tooltip: { ...frame().tooltip, formatter: (items) => {
        const item = (Array.isArray(items) ? items : [items]).find((part) => part.seriesType === "scatter");
        if (!item) return "";
        const { n, low, high } = item.data;
        return `${item.name}\n${share(item.data.value)}${low === null ? "" : ` (${share(low)} to ${share(high)})`}, n = ${n}`;
      } },
      series: [
        { type: "scatter", data: point, symbolSize: 11, itemStyle: { color: colour("c1") }, markLine: data.base === undefined ? undefined : { symbol: "none", silent: true, label: { formatter: share(data.base), color: colour("soft"), position: "insideEndTop" }, lineStyle: { color: colour("soft"), type: "dashed" }, data: [{ yAxis: data.base }] } },
        whiskers(data.values, colour("c1")),
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
    const most = Math.max(0.01, ...data.cells.map((cell) => cell[2]));
    return {
      legend: { show: false }, xAxis: namesAxis(data.names, undefined, data.width), yAxis: { ...namesAxis(data.names), axisLabel: { ...namesAxis(data.names).axisLabel, rotate: 0, width: Math.min(0.3 * data.width, 220), overflow: "break" } },
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
