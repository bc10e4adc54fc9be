// What the served models are for, as their cards say; asked for once.

import { ask, Trouble } from "./api.js";
import { make } from "./dom.js";

let cards = null;

/**
 * Return what a model's card says of use and limits, as elements; [] where nobody tells.
 * @param {{name: string, version: string}} model
 */
export async function modelFacts({ name, version }) {
  const known = await all();
  const found = known.find((model) => model.name === name && model.version === version);
  if (!found) return [];
  const { intended_use: use = "", limits = [] } = found.card;
  const list = make("ul", {}, ...limits.map((limit) => make("li", {}, limit)));
  const more = make("details", {}, make("summary", {}, `${limits.length} limits`), list);
  return [make("p", {}, use), limits.length ? more : ""];
}

async function all() {
  try {
    cards ??= (await ask("/ai/models")).body.models;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
  }
  return cards ?? [];
}
