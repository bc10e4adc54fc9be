// One row of the worklist.

import { waiting } from "./bars.js";
import { button, glyph, make } from "./dom.js";
import { labelWords, percent, personName, presence, priorityWords, stateWords, time } from "./words.js";

/** Return the cells of an item; `now` in milliseconds, in the node's clock. */
export function cells(item, now) {
  return [
    cell("priority", badge(item)),
    cell("state", state(item)),
    cell("wait", ...waiting(item, now)),
    cell("patient", ...patient(item)),
    cell("study", ...study(item)),
    cell("result", ...result(item)),
    cell("reader", ...reader(item)),
    cell("acts", ...acts(item)),
  ];
}

/** Return where an item opens in the viewer, on this page's own origin; null where it cannot. */
export function viewerAddress(item) {
  const address = new URL(item.viewer_url, location.href);
  if (!["http:", "https:"].includes(address.protocol)) return null;
  return new URL(address.pathname + address.search, location.origin).href;
}

/** Return what keeps a row as it is: everything but the clock's own `wait_s`. */
export function fingerprint({ wait_s: _, ...item }) {
  return JSON.stringify(item);
}

function cell(name, ...children) {
  return make(`td.${name}`, { role: "cell" }, ...children);
}

function badge({ priority }) {
  const [sign, word] = priorityWords(priority);
  return make(`span.badge.priority-${priority ?? "none"}`, {}, glyph(sign), word);
}

function state(item) {
  const [sign, word] = stateWords(item.state);
  return make("span", {}, glyph(sign), word);
}

function patient(item) {
  const more = [item.patient_id, item.accession_number].filter(Boolean).join(" · ");
  return [make("span.name", {}, personName(item.patient_name)), more && make("span.quiet", {}, more)];
}

function study(item) {
  const text = item.study_description || "open study";
  const href = viewerAddress(item);
  const link = make("a", { href, target: "dicom-node-viewer", "data-act": "open" }, text);
  return [
    make("span.modality", {}, item.modality || "?"),
    link,
    make("span.quiet", {}, `received ${time(item.received_at)}`),
  ];
}

function result(item) {
  if (item.refusal) return why(item.refusal.code, item.refusal.reason);
  if (item.error) return why(`while it was to ${item.error.stage}`, item.error.message);
  if (!item.findings.length) return [make("span.quiet", {}, "no result yet")];
  const told = item.findings.filter((finding) => finding.present !== false);
  const chips = (told.length ? told.sort(presentFirst) : item.findings).map(chip);
  return [make("span.chips", {}, ...chips), make("span.quiet", {}, labelWords(item.priority_reason ?? ""))];
}

function why(code, reason) {
  return [make("span.code", {}, code), make("span", {}, reason)];
}

function presentFirst(a, b) {
  return Number(b.present ?? 0) - Number(a.present ?? 0) || b.probability - a.probability;
}

function chip({ label, probability, present }) {
  const word = presence(present);
  return make(`span.chip.${word}`, {}, `${labelWords(label)} ${percent(probability)} ${word}`);
}

function reader({ assessment, report }) {
  if (!assessment) return [make("span.quiet", {}, report ? "not assessed" : "–")];
  const { verdict, user, comment } = assessment;
  return [make("strong", {}, verdict), make("span.quiet", {}, comment ? `${user}: ${comment}` : user)];
}

function acts(item) {
  const whose = personName(item.patient_name);
  const details = button("Details", "details", { "aria-label": `Details of ${whose}` });
  if (item.state !== "FAILED") return [details];
  return [details, button("Retry", "again", { "aria-label": `Retry ${whose}` })];
}
