// The filters, kept in the address, so that a view can be bookmarked and "back" leads to it.

import { byId, glyph, make } from "./dom.js";
import { STATE_NAMES, stateWords } from "./words.js";

const NAMES = ["state", "modality", "priority", "q"];
const TYPING_MS = 200;

/** The search field, the two lists, and the buttons that count and choose states. */
export class Filters {
  #form = byId("filters");
  #states = byId("states");
  #changed;
  #typing = 0;

  /** @param {function(string)} changed gets the query for /ai/board at each change */
  constructor(changed) {
    this.#changed = changed;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", (event) => {
      clearTimeout(this.#typing);
      const pause = event.target.name === "q" ? TYPING_MS : 0;
      this.#typing = setTimeout(() => this.#apply(), pause);
    });
    this.#form.addEventListener("reset", () => setTimeout(() => this.#choose("")));
    this.#states.addEventListener("click", (event) => {
      const state = event.target.closest("button")?.dataset.state;
      if (state !== undefined) this.#choose(state);
    });
    addEventListener("popstate", () => this.#read());
    this.#read();
  }

  /** Put the cursor into the search field. */
  search() {
    this.#form.elements.q.focus();
    this.#form.elements.q.select();
  }

  /** Show counts and choices of an answer of /ai/board. */
  show({ states, modalities }) {
    this.#modalities(modalities);
    const chosen = this.#form.elements.state.value;
    const all = Object.values(states).reduce((sum, count) => sum + count, 0);
    this.#button("", "all", "", all, chosen);
    for (const state of STATE_NAMES) {
      const [sign, word] = stateWords(state);
      this.#button(state, word, sign, states[state] ?? 0, chosen);
    }
  }

  #button(state, word, sign, count, chosen) {
    let made = this.#states.querySelector(`[data-state="${state}"]`);
    if (!made) {
      const parts = [sign && glyph(sign), make("span", {}, word), make("b")];
      made = make("button", { type: "button", "data-state": state }, ...parts);
      this.#states.append(made);
    }
    made.setAttribute("aria-pressed", String(state === chosen));
    const counter = made.querySelector("b");
    if (counter.textContent !== String(count)) counter.textContent = String(count);
  }

  #modalities(modalities) {
    const select = this.#form.elements.modality;
    const wanted = ["", ...new Set([...modalities, select.value].filter(Boolean))].sort();
    const shown = [...select.options].map((option) => option.value);
    if (wanted.join("\n") === shown.join("\n")) return;
    const value = select.value;
    select.replaceChildren(...wanted.map((name) => make("option", { value: name }, name || "any")));
    select.value = value;
  }

  #choose(state) {
    this.#form.elements.state.value = state;
    this.#apply();
  }

  /** Take the filters from the address. */
  #read() {
    const given = new URLSearchParams(location.search);
    for (const name of NAMES) {
      const field = this.#form.elements[name];
      const value = given.get(name) ?? "";
      if (value && field.options && ![...field.options].some((option) => option.value === value)) {
        field.append(make("option", { value }, value));
      }
      field.value = value;
    }
    this.#changed(this.#query());
  }

  #apply() {
    const query = this.#query();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    this.#changed(query);
  }

  #query() {
    const given = new URLSearchParams();
    for (const name of NAMES) {
      const value = this.#form.elements[name].value.trim();
      if (value) given.set(name, value);
    }
    return given.toString();
  }
}
