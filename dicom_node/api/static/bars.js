// Small bars; each has its number beside it, so that nothing is told by length or colour alone.

import { make, glyph } from "./dom.js";
import { bound, labelWords, minutes, percent, presence } from "./words.js";

const PRESENCE_SIGNS = { present: "●", undetermined: "◐", absent: "○" };

/** Return a finding as a line: name, bar with its threshold as a tick, numbers, word. */
export function findingBar({ label, probability, threshold, present }) {
  const word = presence(present);
  const bar = make("span.bar", { "aria-hidden": "true" }, make("span.fill"), make("span.tick"));
  bar.style.setProperty("--share", String(probability));
  bar.style.setProperty("--threshold", String(threshold));
  return make(
    `li.finding.${word}`,
    {},
    glyph(PRESENCE_SIGNS[word]),
    make("span.label", {}, labelWords(label)),
    bar,
    make("span.numbers", {}, `${percent(probability)}, ${word}`),
    make("span.threshold", {}, `threshold ${percent(threshold)}`),
  );
}

/**
 * Return how long a study has waited, as text and as a meter up to its bound.
 * @param {object} item an item of /ai/board
 * @param {number} now milliseconds, in the node's clock
 */
export function waiting(item, now) {
  if (item.place === "ASSESSED") return [make("span.quiet", {}, "assessed")];
  const waited = item.received_at ? (now - Date.parse(item.received_at)) / 60000 : 0;
  const text = minutes(waited);
  if (item.bound_min === null) return [text, make("span.quiet", {}, "read first")];
  const meter = make("meter", {
    min: "0",
    max: String(Math.max(item.bound_min, 1)),
    high: String(Math.max(item.bound_min, 1) * 0.75),
    optimum: "0",
    value: String(Math.min(waited, Math.max(item.bound_min, 1))),
    "aria-label": `waited ${text} of ${bound(item.bound_min)}`,
  });
  const overdue = item.place === "OVERDUE";
  const word = overdue ? make("strong.overdue", {}, glyph("!"), "overdue") : null;
  return [text, make("span.quiet", {}, `of ${bound(item.bound_min)}`), meter, word].filter(Boolean);
}
