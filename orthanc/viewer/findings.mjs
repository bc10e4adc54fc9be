// Findings as bars: the probability, the threshold as a mark, and what follows in words.

import { h } from './react.mjs';
import { finding as name, percent } from './words.mjs';

/** A bar for each finding, as the report has them. */
export function Findings({ findings }) {
  return h(
    'div',
    null,
    h('h3', null, 'Findings'),
    h(
      'ul',
      { 'className': 'ai-findings', 'data-cy': 'ai-findings' },
      findings.map(finding => h('li', { 'key': finding.label, 'data-cy': `ai-finding-${finding.label}` }, h(Finding, { finding })))
    )
  );
}

function Finding({ finding }) {
  const { probability, threshold, present } = finding;
  const said = present === null ? '? undetermined' : present ? '■ present' : '□ absent';
  return h(
    'div',
    null,
    h(
      'div',
      { className: 'ai-row' },
      h('span', { className: 'ai-grow' }, name(finding)),
      h('span', null, said),
      h('strong', { className: 'ai-number' }, percent(probability))
    ),
    h(
      'div',
      {
        'className': `ai-bar ${present ? 'ai-present' : ''}`,
        'role': 'meter',
        'aria-label': `Probability of ${name(finding)}`,
        'aria-valuemin': 0,
        'aria-valuemax': 100,
        'aria-valuenow': Math.round(probability * 100),
        'aria-valuetext': `${percent(probability)}, threshold ${percent(threshold)}, ${said.slice(2)}`,
      },
      h('span', { className: 'ai-fill', style: { width: `${probability * 100}%` } }),
      h('span', { className: 'ai-threshold', style: { left: `${threshold * 100}%` } })
    ),
    h('div', { className: 'ai-small' }, `threshold ${percent(threshold)}`)
  );
}
