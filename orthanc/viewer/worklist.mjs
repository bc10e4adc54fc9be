// The study list: the node's reading order as a column, and by default as the order.

import { readWorklist } from './api.mjs';
import { h } from './react.mjs';
import { standing } from './words.mjs';

const FIRST = 500; // as many as OHIF asks for: see app-config.js
const ALL = 10000;
const LAST = Number.MAX_SAFE_INTEGER;

/** The column "AI priority"; its value is the place in the reading order. */
export const column = {
  id: 'aiPriority',
  accessorFn: row => row.ai?.place ?? LAST,
  header: ({ column: self }) => h(Header, { sorted: self.getIsSorted(), onClick: () => self.toggleSorting(self.getIsSorted() === 'asc') }),
  cell: ({ row }) => h(Cell, { ai: row.original.ai }),
  sortingFn: (one, other) => (one.original.ai?.place ?? LAST) - (other.original.ai?.place ?? LAST),
  filterFn: (row, id, wanted) => !wanted || text(row.original.ai).toLowerCase().includes(String(wanted).toLowerCase()),
  meta: { label: 'AI priority', minWidth: 130, priority: 110 },
};

/** Wrap OHIF's data source so that each study of a search carries what the node says of it. */
export function withPriorities(source) {
  const search = source.query.studies.search;
  source.query.studies.search = async (...query) => {
    const [rows, first] = await Promise.all([search.apply(source.query.studies, query), readPlaces(FIRST)]);
    if (!rows) return rows;
    const far = first !== null && rows.some(row => !first.has(row.studyInstanceUid));
    const places = far ? ((await readPlaces(ALL)) ?? first) : first;
    return rows.map(row => ({ ...row, ai: placeOf(row, places) }));
  };
  return source;
}

async function readPlaces(limit) {
  try {
    const items = await readWorklist(limit);
    return new Map(items.map((item, place) => [item.study_instance_uid, { place, item }]));
  } catch {
    return null; // the list is still of use; its column says that the node does not answer
  }
}

function placeOf(row, places) {
  if (places === null) return { place: LAST, item: null };
  return places.get(row.studyInstanceUid) ?? null;
}

function Header({ sorted, onClick }) {
  const arrow = { asc: '↓', desc: '↑' }[sorted] ?? '↕';
  return h('button', { 'type': 'button', 'className': 'ai-header', 'title': 'Reading order of the node (research use only)', onClick }, 'AI priority ', h('span', { 'aria-hidden': true }, arrow));
}

function Cell({ ai }) {
  const said = say(ai);
  const reason = ai?.item?.priority_reason ?? ai?.item?.refusal?.reason ?? ai?.item?.error?.message ?? '';
  return h(
    'div',
    { 'className': `ai-cell ai-${said.kind}`, 'data-cy': 'ai-cell', 'title': reason },
    h('span', { 'className': 'ai-sign', 'aria-hidden': true }, said.sign),
    said.text
  );
}

function say(ai) {
  if (ai === null) return { sign: '–', text: 'Unknown', kind: 'waiting' };
  if (ai.item === null) return { sign: '!', text: 'No answer', kind: 'failed' };
  return standing(ai.item);
}

const text = ai => say(ai ?? null).text;
