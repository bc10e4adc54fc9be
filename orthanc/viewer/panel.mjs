// The panel "AI diagnosis" beside the images: what the node says of the study in view.

import { live, useActiveReading, useElapsed } from './button.mjs';
import { Facts, Images } from './facts.mjs';
import { Findings } from './findings.mjs';
import { History } from './history.mjs';
import { isLive, request } from './readings.mjs';
import { h, useChanges } from './react.mjs';
import { mayAct, onMeeting } from './session.mjs';
import { Verdict } from './verdict.mjs';
import { showBeside } from './viewports.mjs';
import { advice, standing, waiting } from './words.mjs';

/** The panel. */
export function Panel() {
  useChanges(onMeeting);
  const { uid, study, trouble, known, since } = useActiveReading();
  const elapsed = useElapsed(since);
  const busy = since !== null || isLive(study);
  return h(
    'section',
    { 'className': 'ai-panel', 'aria-label': 'AI diagnosis', 'data-cy': 'ai-panel', 'data-study': uid },
    h('p', { className: 'ai-notice' }, 'Research use only. Not a medical device; not for diagnosis.'),
    h(
      'div',
      { 'role': 'status', 'aria-live': 'polite', 'data-cy': 'ai-status' },
      trouble && h(Trouble, trouble),
      busy && !trouble && h(Progress, { state: live(study), elapsed }),
      !busy && h(Ending, { uid, study, known, trouble })
    ),
    study?.images && h(Images, { images: study.images }),
    study?.report && h(Result, { key: uid, uid, study }),
    study && h(History, { runs: study.runs })
  );
}

function Trouble({ text, advice: whatToDo }) {
  return h('div', { 'className': 'ai-box ai-failed', 'data-cy': 'ai-trouble' }, h('strong', null, '! ', text), h('p', null, whatToDo));
}

function Progress({ state, elapsed }) {
  const text = { RECEIVED: 'Waiting for the whole study', QUEUED: 'Queued' }[state] ?? waiting(state);
  return h(
    'div',
    { 'className': 'ai-box ai-waiting', 'data-cy': 'ai-progress' },
    h('strong', null, `… ${text}, ${elapsed} s`),
    h('p', null, 'The report appears here by itself. You can read on meanwhile.')
  );
}

function Ending({ uid, study, known, trouble }) {
  if (study === null) {
    const text = known || trouble ? 'No AI result of this study.' : 'Asking the node …';
    return h('p', { 'data-cy': 'ai-nothing' }, text);
  }
  const { sign, text, kind } = standing(study);
  const told = {
    REFUSED: () => [study.refusal.reason, 'The model was not asked: there is no probability, and this does not mean "normal".'],
    FAILED: () => [`At stage "${study.error.stage}": ${study.error.message}`, advice(study.error)],
    REPORTED: () => [study.priority_reason],
  }[study.state]?.() ?? [];
  return h(
    'div',
    { 'className': `ai-box ai-${kind}`, 'data-cy': 'ai-ending', 'data-state': study.state },
    h('strong', null, `${sign} ${study.state === 'REPORTED' ? `Priority ${text}` : text}`),
    study.refusal && h('code', null, study.refusal.code),
    ...told.map(line => h('p', { key: line }, line)),
    study.state === 'FAILED' && mayAct() && h('button', { 'type': 'button', 'data-cy': 'ai-retry', 'onClick': () => request(uid) }, 'Try again')
  );
}

function Result({ uid, study }) {
  const ours = [...study.reports, ...study.heatmaps].map(object => object.series_instance_uid);
  const show = (name, object) =>
    object &&
    h('button', { 'type': 'button', 'data-cy': `ai-show-${name}`, 'onClick': () => showBeside(object.series_instance_uid, ours) }, `Show ${name}`);
  return h(
    'div',
    null,
    h(Findings, { findings: study.findings }),
    h('div', { className: 'ai-row' }, show('report', study.report), show('heatmap', study.heatmaps[0])),
    h(Verdict, { uid, study }),
    h(Facts, { model: study.model })
  );
}
