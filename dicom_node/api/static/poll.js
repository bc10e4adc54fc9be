// Asks for the list again and again, and draws only what is new.
//
// Polling with a tag, not server-sent events: the page comes through Orthanc's plugin, whose REST
// callbacks answer with whole bodies, so that events would pile up there and never arrive. A 304
// costs the node about a millisecond.

import { ask, Trouble } from "./api.js";

const PERIOD_MS = 3000;
const LONGEST_MS = 15000;

/** Looks at one address while the page can be seen. */
export class Poll {
  #address = "";
  #tag = "";
  #timer = 0;
  #asking = new AbortController();
  #failures = 0;
  #told;

  /**
   * @param {{news: function(object), calm: function(), trouble: function(Trouble)}} told
   *   called after each answer: something new, nothing new, no answer
   */
  constructor(told) {
    this.#told = told;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#stop();
      else this.now();
    });
  }

  /** Look at another address from now on. */
  at(address) {
    if (address !== this.#address) this.#tag = "";
    this.#address = address;
    this.now();
  }

  /** Look at once. */
  now() {
    this.#stop();
    this.#asking = new AbortController();
    this.#ask(this.#asking.signal);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#asking.abort();
  }

  async #ask(signal) {
    try {
      const { tag, body } = await ask(this.#address, { tag: this.#tag, signal });
      if (signal.aborted) return;
      this.#failures = 0;
      this.#tag = tag;
      if (body) this.#told.news(body);
      else this.#told.calm();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Trouble)) throw error;
      this.#failures += 1;
      this.#told.trouble(error);
    }
    if (!document.hidden) this.#timer = setTimeout(() => this.now(), this.#pause());
  }

  #pause() {
    return Math.min(PERIOD_MS * 2 ** Math.max(0, this.#failures - 1), LONGEST_MS);
  }
}
