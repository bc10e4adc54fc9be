// Accept, reject or amend: a reader's verdict on the report, kept by the node.

import { assess } from './api.mjs';
import { look } from './readings.mjs';
import { h, react, useChanges } from './react.mjs';
import { mayAct, onMeeting } from './session.mjs';
import { finding as name, time } from './words.mjs';

const VERDICTS = { accept: '✓ Accept', reject: '✕ Reject', amend: '✎ Amend' };
const DONE = { accept: '✓ Accepted', reject: '✕ Rejected', amend: '✎ Amended' };

/** What was kept, and the form for those who may judge. */
export function Verdict({ uid, study }) {
  useChanges(onMeeting);
  return h(
    'div',
    { 'className': 'ai-verdict', 'data-cy': 'ai-verdict' },
    h('h3', null, mayAct() ? 'Your verdict' : 'Verdict'),
    study.assessment ? h(Kept, study.assessment) : !mayAct() && h('p', { className: 'ai-small' }, 'Not assessed.'),
    mayAct() && h(Form, { uid, study })
  );
}

function Form({ uid, study }) {
  const { useState } = react();
  const [label, setLabel] = useState('');
  const [comment, setComment] = useState('');
  const [said, setSaid] = useState('');
  const give = async verdict => {
    if (verdict === 'amend' && comment.trim() === '') {
      setSaid('To amend, say in the comment what is right.');
      return;
    }
    try {
      await assess(uid, { verdict, finding: label || null, comment });
    } catch (trouble) {
      setSaid(`Not kept: ${trouble.message}`);
      return;
    }
    setSaid('Kept.');
    setComment('');
    await look(uid);
  };
  return h(
    'div',
    null,
    h('label', { htmlFor: 'ai-finding' }, 'About'),
    h(
      'select',
      { id: 'ai-finding', value: label, onChange: event => setLabel(event.target.value) },
      h('option', { value: '' }, 'the whole report'),
      study.findings.map(one => h('option', { key: one.label, value: one.label }, name(one)))
    ),
    h('label', { htmlFor: 'ai-comment' }, 'Comment'),
    h('textarea', {
      'id': 'ai-comment',
      'rows': 2,
      'maxLength': 4000,
      'value': comment,
      'onChange': event => setComment(event.target.value),
      // OHIF's keyboard shortcuts must not act on what is written here.
      'onKeyDown': event => event.stopPropagation(),
    }),
    h(
      'div',
      { className: 'ai-row' },
      Object.entries(VERDICTS).map(([verdict, text]) =>
        h('button', { 'key': verdict, 'type': 'button', 'data-cy': `ai-${verdict}`, 'onClick': () => give(verdict) }, text)
      )
    ),
    h('p', { 'role': 'status', 'className': 'ai-small', 'data-cy': 'ai-kept' }, said)
  );
}

function Kept({ verdict, finding, comment, user, assessed_at }) {
  return h(
    'p',
    { 'className': 'ai-box', 'data-cy': 'ai-assessment' },
    `${DONE[verdict] ?? verdict}${finding ? ` (${finding})` : ''} by ${user}, ${time(assessed_at)}`,
    comment && h('span', null, `: ${comment}`)
  );
}
