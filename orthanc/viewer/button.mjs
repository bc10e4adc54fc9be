// The button "AI diagnosis" in the toolbar: asks, and says in a few words how far the answer is.

import { isLive, reading, subscribe } from './readings.mjs';
import { h, react, useChanges } from './react.mjs';
import { mayAct, onMeeting } from './session.mjs';
import { activeStudy, onOtherStudy } from './viewports.mjs';
import { standing, waiting } from './words.mjs';

/** Draw anew each second while `running`; returns whole seconds since `since` (ms). */
export function useElapsed(since) {
  const [, tick] = react().useReducer(count => count + 1, 0);
  react().useEffect(() => {
    if (since === null) return undefined;
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [since]);
  return since === null ? 0 : Math.floor((Date.now() - since) / 1000);
}

/** The study that the reader looks at, and what is known of it. */
export function useActiveReading() {
  useChanges(onOtherStudy);
  useChanges(subscribe);
  const uid = activeStudy();
  return { uid, ...reading(uid) };
}

/** The toolbar's widget `ai.button`. */
export function Button(props) {
  const { uid, study, trouble, since } = useActiveReading();
  const elapsed = useElapsed(since);
  useChanges(onMeeting);
  const tooltip = mayAct() ? props.tooltip : 'Show what the node has read in this study';
  return h(
    'button',
    {
      'type': 'button',
      'data-cy': 'ai-button',
      'className': 'ai-button',
      'title': `${tooltip}. Research use only.`,
      'disabled': uid === null,
      'onClick': () => props.onInteraction({ itemId: props.id, commands: props.commands }),
    },
    'AI diagnosis',
    h('span', { 'className': 'ai-button-state', 'data-cy': 'ai-button-state' }, state(study, trouble, since, elapsed))
  );
}

function state(study, trouble, since, elapsed) {
  if (trouble !== null) return '! no answer';
  if (since !== null || isLive(study)) return `… ${waiting(live(study)).toLowerCase()} ${elapsed} s`;
  if (study === null) return '';
  const { sign, text } = standing(study);
  return `${sign} ${text}`;
}

/** @returns {string} the state of the run that is under way, if one is. */
export const live = study => (isLive(study) ? (study.runs[0]?.state ?? study.state) : 'QUEUED');
