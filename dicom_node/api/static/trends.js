// The history page: four charts and their table.

import { ask, Trouble } from "./api.js";
import { chart } from "./charts.js";
import { byId, make } from "./dom.js";
import { percent, seconds } from "./words.js";

const DEFAULT = "14";
const WIDTH_MS = 150;

let drawings = [];
let widening = 0;

const choice = byId("days");
const given = new URLSearchParams(location.search).get("days") ?? DEFAULT;
const chosen = choice.querySelector(`[value="${CSS.escape(given)}"]`) ?? choice.querySelector(`[value="${DEFAULT}"]`);
chosen.checked = true;
choice.addEventListener("change", (event) => {
  history.replaceState(null, "", `?days=${event.target.value}`);
  load(event.target.value);
});
document.addEventListener("theme", redraw);
addEventListener("resize", () => {
  clearTimeout(widening);
  widening = setTimeout(redraw, WIDTH_MS);
});
load(chosen.value);

async function load(count) {
  const status = byId("status");
  try {
    const offset = -new Date().getTimezoneOffset();
    const { body } = await ask(`/ai/history?days=${count}&offset_min=${offset}`);
    show(body.days);
    status.className = "";
    status.textContent = `The last ${count} days, as of ${new Date(body.generated_at).toLocaleTimeString()}.`;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    status.className = "stale";
    status.textContent = `No history: ${error.message}.`;
  }
}

function show(days) {
  const at = days.map((day) => Date.parse(day.start) / 1000);
  drawings = [arrivals(days, at), turnaround(days, at), ends(days, at), agreement(days, at)];
  byId("charts").replaceChildren(...drawings.map(({ figure }) => figure));
  byId("numbers").replaceChildren(...days.map(numbers).reverse());
  redraw();
}

function redraw() {
  for (const { draw } of drawings) draw();
}

function arrivals(days, at) {
  const values = days.map((day) => day.arrivals);
  const total = sum(values);
  const summary = `${total} studies, ${(total / days.length).toFixed(1)} a day`;
  return chart({ title: "Arrivals", summary, unit: "", bars: true }, at, [
    { label: "studies", colour: "--bar", values },
  ]);
}

function turnaround(days, at) {
  const median = days.map((day) => day.turnaround_median_s);
  const p95 = days.map((day) => day.turnaround_p95_s);
  const known = median.filter((value) => value !== null).sort((a, b) => a - b);
  const middle = known[Math.floor((known.length - 1) / 2)];
  const worst = Math.max(...p95.filter((value) => value !== null));
  const summary = known.length
    ? `median of the days' medians ${seconds(middle)}, worst 95th percentile ${seconds(worst)}`
    : "no report in these days";
  return chart({ title: "Turnaround", summary, unit: " s" }, at, [
    { label: "median", colour: "--good", values: median },
    { label: "95th percentile", colour: "--warn", values: p95 },
  ]);
}

function ends(days, at) {
  const total = (day) => day.reported + day.refused + day.failed;
  const share = (name) => days.map((day) => part(day[name], total(day)));
  const all = sum(days.map(total));
  const told = (name) => percent(part(sum(days.map((day) => day[name])), all) / 100);
  const summary = all ? `${told("refused")} of ${all} readings refused, ${told("failed")} failed` : "no reading ended";
  return chart({ title: "Refused and failed", summary, unit: " %", top: 100 }, at, [
    { label: "refused", colour: "--warn", values: share("refused") },
    { label: "failed", colour: "--bad", values: share("failed") },
  ]);
}

function agreement(days, at) {
  const judged = (day) => sum(Object.values(day.verdicts));
  const accepted = (day) => day.verdicts.accept ?? 0;
  const all = sum(days.map(judged));
  const summary = all
    ? `readers accepted ${sum(days.map(accepted))} of ${all} reports they judged`
    : "no report was judged";
  return chart({ title: "Agreement with readers", summary, unit: " %", top: 100 }, at, [
    { label: "accepted", colour: "--good", values: days.map((day) => part(accepted(day), judged(day))) },
  ]);
}

function numbers(day) {
  const { accept = 0, amend = 0, reject = 0 } = day.verdicts;
  const time = (value) => (value === null ? "–" : seconds(value));
  const date = new Date(day.start).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });
  const told = [day.arrivals, day.reported, day.refused, day.failed];
  told.push(time(day.turnaround_median_s), time(day.turnaround_p95_s), accept, amend, reject);
  const cells = told.map((text) => make("td", {}, String(text)));
  return make("tr", {}, make("th", { scope: "row" }, date), ...cells);
}

/** Return a share in per cent, null of nothing: a day without readings is a gap, not a zero. */
function part(count, total) {
  return total ? (100 * count) / total : null;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
