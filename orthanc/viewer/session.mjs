// Who looks: what his role may not do is not offered to him.

import { readSession } from './api.mjs';

let role = null;
let meeting = Promise.resolve();
const listeners = new Set();

/** Ask the node who is logged in; while that is not known, everything is offered. */
export function meet() {
  meeting = readSession().then(
    session => {
      role = session.role;
      listeners.forEach(listener => listener());
    },
    () => {} // the node itself refuses what is not allowed, and says so
  );
}

/** Wait until it is known who looks, or that the node does not tell. */
export const met = () => meeting;

/** Call `listener` when it is known who looks, until the returned function is called. */
export function onMeeting(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @returns {boolean} whether the user may ask for readings and judge them. */
export const mayAct = () => role !== 'reader';
