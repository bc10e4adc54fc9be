// The facts of the model that read the study, out of its card.

import { readModels } from './api.mjs';
import { h, react } from './react.mjs';

let asked = null; // one request for all studies; cards change only when the node is upgraded

/** Name and version, and on opening what the model is for, what it was worth, what it cannot do. */
export function Facts({ model }) {
  const { useEffect, useState } = react();
  const [card, setCard] = useState(null);
  useEffect(() => {
    let here = true;
    cardOf(model).then(found => here && setCard(found));
    return () => {
      here = false;
    };
  }, [model.name, model.version]);
  return h(
    'details',
    { 'className': 'ai-details', 'data-cy': 'ai-facts' },
    h('summary', null, `Model ${model.name} ${model.version}`),
    h('p', { className: 'ai-small ai-hash' }, `weights ${model.weights_sha256.slice(0, 16)}…`),
    card ? h(Card, { card }) : h('p', null, 'Its card is not at hand: another version is served now, or the node does not answer.')
  );
}

/** How many images were read, and why the others were not. */
export function Images({ images }) {
  return h(
    'div',
    { 'className': 'ai-small', 'data-cy': 'ai-images' },
    h('p', null, `Images read: ${images.read} of ${images.eligible}`),
    h('ul', null, images.left_out.map(left => h('li', { key: left.code + left.reason }, `Not read: ${left.count}. ${left.reason}`)))
  );
}

function Card({ card }) {
  return h(
    'div',
    null,
    h('h4', null, 'Intended use'),
    h('p', null, card.intended_use),
    h('h4', null, 'Limits'),
    h('ul', null, (card.limits ?? []).map(text => h('li', { key: text }, text))),
    h('h4', null, 'Known confounds'),
    h('ul', null, (card.confounds ?? []).map(text => h('li', { key: text }, text))),
    h('h4', null, 'Figures'),
    h('ul', null, (card.figures ?? []).map(figure => h('li', { key: `${figure.name} ${figure.on}` }, said(figure))))
  );
}

function said({ name, on, value, low, high, n }) {
  const interval = low == null || high == null ? '' : ` (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return `${name}, ${on}: ${value.toFixed(2)}${interval}, n = ${n}`; // as the card has it: not all are shares
}

async function cardOf(model) {
  asked ??= readModels();
  try {
    const models = await asked;
    return models.find(one => one.weights_sha256 === model.weights_sha256)?.card ?? null;
  } catch {
    asked = null; // ask again with the next study
    return null;
  }
}
