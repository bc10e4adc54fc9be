// The worklist page: joins list, filters, drawer, dialogs and keys.

import { ask, Trouble } from "./api.js";
import { Details } from "./details.js";
import { byId } from "./dom.js";
import { Filters } from "./filters.js";
import { listen } from "./keys.js";
import { List } from "./list.js";
import { News } from "./news.js";
import { viewerAddress } from "./row.js";
import { personName, stateWords } from "./words.js";
import { Verdict } from "./verdict.js";

const TICK_MS = 10000;
const NEWS_MS = 8000;
const TOLD_AT_ONCE = 3;

const list = new List(byId("rows"));
const details = new Details();
const verdict = new Verdict((item, given) => {
  say(`Kept: ${given}, ${personName(item.patient_name)}.`);
  list.focus(item.study_instance_uid);
  look();
});
let drawn = false;
let hush = 0;

const node = new News({
  news(board) {
    const behind = Date.parse(board.generated_at) - Date.now();
    const news = list.show(board.items, behind);
    filters.show(board);
    byId("count").textContent = counted(board);
    byId("empty").hidden = board.items.length > 0;
    notice(board);
    if (drawn) tell(news);
    drawn = true;
    fine();
    details.refresh();
  },
  calm: fine,
  trouble(error) {
    byId("trouble").hidden = false;
    byId("trouble-text").textContent =
      `${sentence(error)} The list is as it was last seen; images can be read without it. Trying again.`;
    byId("status").classList.add("stale");
  },
  live(isLive) {
    byId("live").textContent = isLive ? "live" : "not live: asking again and again";
    document.body.dataset.live = isLive ? "yes" : "no";
  },
  node(state) {
    notice(state);
    const broken = state.parts.filter(({ ok }) => !ok).map(({ name, message }) => `${name}: ${message}`);
    byId("parts").hidden = broken.length === 0;
    byId("parts").textContent = broken.length ? `Not all of the node works. ${broken.join("; ")}.` : "";
  },
});
const filters = new Filters((query) => {
  drawn = false; // what another filter shows is no news
  node.at(`/ai/board${query ? `?${query}` : ""}`);
});

const acts = {
  open: () => withItem((item) => open(viewerAddress(item), "dicom-node-viewer")),
  details: () => withItem((item) => details.open(item.study_instance_uid)),
  accept: () => ifAllowed((item) => judge(item, "accept")),
  reject: () => ifAllowed((item) => judge(item, "reject")),
  amend: () => ifAllowed((item) => judge(item, "amend")),
  again: () => ifAllowed(readAgain),
  search: () => filters.search(),
  help: () => byId("help").showModal(),
  close: shut,
};
listen(acts, list);

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act && act !== "open") acts[act]();
});
byId("rows").addEventListener("dblclick", (event) => {
  if (!event.target.closest("a, button")) acts.details();
});
byId("try-now").addEventListener("click", look);
setInterval(() => list.tick(), TICK_MS);

/** Ask the node at once. */
function look() {
  node.now();
}

/** Do something with the study of the drawer, or, while it is shut, with the current row's. */
function withItem(act) {
  const inDrawer = byId("details").contains(document.activeElement) && list.item(details.uid);
  const item = inDrawer || list.current;
  if (item) act(item);
}

/** Do what changes something, unless the user's role only looks. */
function ifAllowed(act) {
  if (document.body.dataset.role === "reader") say("Verdicts and new readings are a radiologist's.");
  else withItem(act);
}

function judge(item, given) {
  if (item.report) verdict.open(item, given);
  else say("There is no report to judge.");
}

async function readAgain(item) {
  const path = `/ai/studies/${encodeURIComponent(item.study_instance_uid)}/runs`;
  try {
    const { status } = await ask(path, { body: { force: item.state !== "FAILED" } });
    say(status === 202 ? "Asked for a new reading." : "It stands as it is; there is nothing to read anew.");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(sentence(error));
  }
  look();
}

function shut() {
  const uid = details.uid;
  if (uid === null) return;
  details.close();
  list.focus(uid);
}

function fine() {
  byId("trouble").hidden = true;
  byId("status").classList.remove("stale");
  byId("seen").textContent = new Date().toLocaleTimeString();
}

/** Show what everybody should know. */
function notice({ notice: words }) {
  byId("notice").hidden = !words;
  byId("notice").textContent = words;
}

function counted({ items, matching, total }) {
  const shown = items.length < matching ? `the first ${items.length} of ${matching}` : String(matching);
  const studies = matching === 1 ? "study" : "studies";
  return matching === total ? `${shown} ${studies}` : `${shown} ${studies} of ${total}`;
}

/** Tell news in one sentence, politely. */
function tell({ fresh, changed }) {
  const name = (item) => `${personName(item.patient_name)} ${stateWords(item.state)[1]}`;
  const parts = [...fresh.map((item) => `new: ${name(item)}`), ...changed.map(name)];
  const more = parts.length - TOLD_AT_ONCE;
  if (more > 0) parts.splice(TOLD_AT_ONCE, more, `${more} more`);
  if (parts.length) say(`${parts.join("; ")}.`);
}

/** Return what went wrong as one sentence with one full stop. */
function sentence({ message }) {
  return `${message.replace(/\.$/, "")}.`;
}

function say(words) {
  const news = byId("news");
  news.textContent = words;
  clearTimeout(hush);
  hush = setTimeout(() => news.replaceChildren(), NEWS_MS);
}
