// How states, probabilities and times are said. Signs stand beside words: colour alone says nothing.

const PRIORITIES = { STAT: '▲▲', HIGH: '▲', ROUTINE: '●', LOW: '▽' };
const LABELS = {
  normal: 'Normal',
  bacterial_pneumonia: 'Bacterial pneumonia',
  viral_pneumonia: 'Viral pneumonia',
  covid19: 'COVID-19',
};
const STAGES = {
  fetch: 'See whether the study is still in the archive, then try again.',
  decode: 'The images could not be decoded: have the sender send them again, then try again.',
};

/**
 * @typedef {object} Said
 * @property {string} sign  a sign that can be told from the others without colour
 * @property {string} text  one or two words
 * @property {string} kind  stat, high, routine, low, waiting, refused or failed
 */

/** @returns {Said} where a study of the worklist stands. */
export function standing(item) {
  switch (item.state) {
    case 'REFUSED':
      return { sign: '⊘', text: 'Refused', kind: 'refused' };
    case 'FAILED':
      return { sign: '✕', text: 'Failed', kind: 'failed' };
    case 'REPORTED':
      return { sign: PRIORITIES[item.priority] ?? '●', text: item.priority ?? 'Read', kind: (item.priority ?? 'low').toLowerCase() };
    default:
      return { sign: '…', text: waiting(item.state), kind: 'waiting' };
  }
}

/** @returns {string} what a run that has not ended is doing. */
export const waiting = state => ({ RECEIVED: 'Received', QUEUED: 'Queued', RUNNING: 'Running' })[state] ?? state;

/** @returns {string} the name of a finding. */
export const finding = item => LABELS[item.label] ?? item.code.meaning;

/** @returns {string} a probability as people read it. */
export const percent = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** @returns {string} what a reader can do about a failed run. */
export const advice = error => STAGES[error.stage] ?? 'Try again; if it fails again, tell whoever runs the node.';

/** @returns {string} a time in the reader's own zone and manner. */
export const time = text => new Date(text).toLocaleString([], { dateStyle: 'short', timeStyle: 'medium' });
