// Small charts by uPlot (vendor/), which draws on a canvas: each has its sentence, and all have the
// table below. Series differ by dash and marks as well as by colour.

import { make } from "./dom.js";

const HEIGHT = 200;
const DASHES = [[], [6, 4], [2, 3]];

/**
 * Draw one chart into a new figure.
 * @param {{title: string, summary: string, unit: string, bars?: boolean, top?: number}} frame
 * @param {number[]} days seconds since 1970, one for each point
 * @param {{label: string, colour: string, values: (?number)[]}[]} series colour: a CSS variable
 * @returns {{figure: HTMLElement, draw: function()}} draw once the figure is in the page, and
 *   again where its width or the theme has changed
 */
export function chart(frame, days, series) {
  const plot = make("div.plot", { role: "img", "aria-label": `${frame.title}: ${frame.summary}` });
  const head = [make("h2", {}, frame.title), make("p.summary", {}, frame.summary)];
  const figure = make("figure.chart", {}, ...head, plot);
  let drawn = null;
  const draw = () => {
    drawn?.destroy();
    const data = [days, ...series.map(({ values }) => values)];
    drawn = new uPlot(options(frame, series, plot.clientWidth), data, plot);
  };
  return { figure, draw };
}

function options({ unit, bars, top }, series, width) {
  const { text, line } = { text: css("--quiet"), line: css("--line") };
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, range: around }, y: { range: (_, __, max) => [0, top ?? Math.max(max * 1.1, 1)] } },
    axes: [
      { ...axis, values: "{D}.{M}.", space: 45 },
      { ...axis, size: 55, values: (_, ticks) => ticks.map((tick) => `${tick}${unit}`) },
    ],
    series: [{ value: "{YYYY}-{MM}-{DD}" }, ...series.map((one, number) => look(one, number, unit, bars))],
  };
}

function look({ label, colour }, number, unit, bars) {
  const stroke = css(colour);
  const value = (_, given) => (given === null || given === undefined ? "–" : `${round(given)}${unit}`);
  const base = { label, stroke, value, width: 2, dash: DASHES[number % DASHES.length] };
  if (!bars) return { ...base, points: { show: true, size: 6 + 2 * number } };
  return { ...base, fill: stroke, width: 0, paths: uPlot.paths.bars({ size: [0.6, 40] }), points: { show: false } };
}

/** Leave half a day on both sides, so that the first and the last bar are whole. */
function around(_, min, max) {
  return [min - 43200, max + 43200];
}

function round(number) {
  return Math.round(number * 10) / 10;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
