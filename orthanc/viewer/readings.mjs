// What the node knows of each study that was opened here, and how a reading that was asked for
// goes on. One entry for each study: what belongs to one never shows in another.

import { askForRun, readStudy } from './api.mjs';
import { mayAct, met } from './session.mjs';

/**
 * @typedef {object} Reading
 * @property {object|null} study  what the node told last
 * @property {{text: string, advice: string}|null} trouble  what stands in the way
 * @property {boolean} known  whether the node has been asked at all
 * @property {boolean} asked  whether somebody here waits for an answer
 * @property {number|null} since  when waiting began, in ms
 */

const LIVE = new Set(['RECEIVED', 'QUEUED', 'RUNNING']);
const ANEW = { study: null, trouble: null, known: false, asked: false, since: null };
const PATIENT_POLLS = 20; // at half a second; then every two seconds
const MOST_FAILURES = 60;
const KEEP_UP_MS = 5000;

let readings = new Map(); // a new one for each visit to the viewer
const listeners = new Set();
const endings = new Set();
const followed = new Set();

/** @returns {Reading} */
export const reading = uid => readings.get(uid) ?? ANEW;

/** @returns {boolean} whether a run of the study is queued or running. */
const isRunning = study => study !== null && LIVE.has(study.runs[0]?.state);

/** @returns {boolean} whether a study is on its way to a result. */
export const isLive = study => study !== null && (LIVE.has(study.state) || isRunning(study));

/** Call `listener` after each change, until the returned function is called. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Call `listener(uid, study, asked)` when a reading has ended, or another report stands where one stood:
 * a late image brings one while the study is open. `asked`: somebody waits here.
 */
export function onEnd(listener) {
  endings.add(listener);
}

/** Forget everything: the reader has left the viewer, and what was followed need not be any more. */
export function forget() {
  readings = new Map();
}

/** Say what stands in the way of showing a study's result. */
export function complain(uid, text, advice) {
  change(uid, { trouble: { text, advice } });
}

/** Learn what the node has on a study that was opened, and follow what is under way. */
export async function open(uid) {
  if (readings.has(uid)) return;
  change(uid, {});
  await look(uid);
  if (isLive(reading(uid).study)) await follow(uid);
}

/** Ask for a reading; where there is one of the study as it stands, it is shown at once. */
export async function request(uid, force = false) {
  await met();
  if (reading(uid).asked) return;
  if (!mayAct()) {
    await show(uid);
    return;
  }
  change(uid, { asked: true, since: Date.now(), trouble: null });
  if (await look(uid) && isRunning(reading(uid).study)) {
    await follow(uid); // asking again would get a 409, which browsers print as an error
    return;
  }
  try {
    await askForRun(uid, force);
  } catch (trouble) {
    if (trouble.status !== 409 && trouble.run === null) {
      if (!trouble.away) await look(uid); // it may still know why
      change(uid, { asked: false, since: null, trouble: words(trouble) });
      return;
    }
    if (trouble.status !== 409) change(uid, { trouble: words(trouble) });
  }
  await look(uid);
  await follow(uid);
}

/** Show what there is of a study to somebody who may not ask for a reading. */
async function show(uid) {
  change(uid, { asked: true, since: Date.now(), trouble: null });
  if (await look(uid)) await follow(uid);
  else change(uid, { asked: false, since: null });
}

/** Take over what the node says now. */
export async function look(uid) {
  const before = reading(uid).study?.report;
  try {
    const study = await readStudy(uid);
    change(uid, { study, known: true, trouble: null });
    if (before && isOther(study.report, before) && !followed.has(uid)) tell(uid);
    return true;
  } catch (trouble) {
    const unknown = trouble.status === 404; // it has just come in: no trouble, but nothing to tell
    change(uid, { known: true, trouble: unknown ? null : words(trouble) });
    return false;
  }
}

const isOther = (report, before) => report !== null && report.sop_instance_uid !== before.sop_instance_uid;

/** Look again at what is open, until the returned function is called. */
export function keepUp() {
  const timer = setInterval(() => [...readings.keys()].forEach(lookAgain), KEEP_UP_MS);
  return () => clearInterval(timer);
}

async function lookAgain(uid) {
  const visit = readings;
  if (!reading(uid).known || followed.has(uid)) return;
  await look(uid);
  if (visit === readings && isLive(reading(uid).study)) await follow(uid);
}

async function follow(uid) {
  const visit = readings;
  if (followed.has(uid)) return;
  followed.add(uid);
  try {
    let failures = 0;
    for (let polls = 0; unfinished(uid) && failures < MOST_FAILURES; polls += 1) {
      if (reading(uid).since === null) change(uid, { since: Date.now() });
      await pause(failures > 0 || polls > PATIENT_POLLS ? 2000 : 500);
      if (visit !== readings) return;
      failures = (await look(uid)) ? 0 : failures + 1;
    }
  } finally {
    followed.delete(uid);
  }
  tell(uid);
}

function tell(uid) {
  const { study, asked } = reading(uid);
  change(uid, { asked: false, since: null });
  if (study !== null && !isLive(study)) endings.forEach(listener => listener(uid, study, asked));
}

const unfinished = uid => reading(uid).study === null || isLive(reading(uid).study) || reading(uid).trouble !== null;

function words(trouble) {
  if (trouble.status === 404) {
    return { text: trouble.message, advice: 'The node has no such study. Send it to the node, then press the button.' };
  }
  if (trouble.run !== null) return { text: trouble.message, advice: 'Nothing to do: the reading starts by itself.' };
  if (trouble.away) {
    return { text: trouble.message, advice: 'Press "AI diagnosis" again in a minute. What stands below is what the node said last.' };
  }
  return { text: trouble.message, advice: 'If this stays, tell whoever runs the node.' };
}

function change(uid, part) {
  readings.set(uid, { ...reading(uid), ...part });
  listeners.forEach(listener => listener());
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
