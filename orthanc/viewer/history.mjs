// The runs of a study, newest first.

import { h } from './react.mjs';
import { time, waiting } from './words.mjs';

/** One line for each run. */
export function History({ runs }) {
  if (runs.length === 0) return null;
  return h(
    'details',
    { 'className': 'ai-details', 'data-cy': 'ai-history' },
    h('summary', null, `Runs (${runs.length})`),
    h('ol', { reversed: true }, runs.map(run => h('li', { key: run.run_id, value: run.number }, line(run))))
  );
}

function line(run) {
  const model = run.model ? `${run.model.name} ${run.model.version}` : 'no model';
  const cause = run.refusal?.code ?? run.error?.stage;
  const attempts = run.attempts > 1 ? `, ${run.attempts} attempts` : '';
  return `${waiting(run.state)}${cause ? ` (${cause})` : ''}, ${time(run.finished_at ?? run.created_at)}, ${model}, asked by ${run.trigger}${attempts}`;
}
