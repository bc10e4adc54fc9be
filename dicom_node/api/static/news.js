// Keeps what the page shows as new as the node: it is told of changes, and then asks for the list.
//
// The node sends nothing while nothing changes (docs/api.md, Events), so that a quiet stream and a
// dead one look alike: the page asks by itself too, seldom while the stream is open, often while
// there is none. Asking with a tag costs the node about a millisecond where nothing is new.

import { ask, Trouble } from "./api.js";

const STREAM = "/ai/events";
const OFTEN_MS = 3000;
const SELDOM_MS = 120000;
const LONGEST_MS = 15000;
const BREATH_MS = 2000;

/** Looks at one address while the page can be seen. */
export class News {
  #address = "";
  #tag = "";
  #timer = 0;
  #asking = new AbortController();
  #isAsking = false;
  #asksAgain = false;
  #failures = 0;
  #stream = null;
  #isLive = false;
  #breaks = 0;
  #opening = 0;
  #told;

  /**
   * @param {{news: function(object), calm: function(), trouble: function(Trouble),
   *   live: function(boolean), node: function(object)}} told
   *   called with what is new; where nothing is; where there is no answer; when the stream opens or
   *   breaks; with the node's own state
   */
  constructor(told) {
    this.#told = told;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.#wake()));
    addEventListener("offline", () => this.#broken());
    addEventListener("online", () => this.#wake());
    this.#open();
  }

  /** Look at another address from now on. */
  at(address) {
    if (address !== this.#address) this.#tag = "";
    this.#address = address;
    this.now();
  }

  /** Look at once. */
  now() {
    clearTimeout(this.#timer);
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#ask(this.#asking.signal);
  }

  #wake() {
    this.#breaks = 0;
    this.#open();
    this.now();
  }

  #rest() {
    clearTimeout(this.#timer);
    clearTimeout(this.#opening);
    this.#asking.abort();
    this.#stream?.close();
    this.#stream = null;
    this.#isLive = false;
  }

  #open() {
    clearTimeout(this.#opening);
    this.#stream?.close();
    if (!("EventSource" in window) || document.hidden) return;
    this.#stream = new EventSource(STREAM);
    this.#stream.addEventListener("open", () => {
      this.#breaks = 0;
      this.#setLive(true);
      this.now(); // what changed before the stream was open is told by nobody
    });
    this.#stream.addEventListener("error", () => this.#broken());
    this.#stream.addEventListener("message", ({ data }) => {
      const { studies, everything, node } = JSON.parse(data);
      this.#told.node(node);
      if (everything || studies.length) this.#soon();
    });
  }

  /** Say that the stream is broken, ask instead, and open another after a while. */
  #broken() {
    this.#stream?.close();
    this.#stream = null;
    this.#setLive(false);
    const pause = Math.min(1000 * 2 ** this.#breaks, LONGEST_MS);
    this.#breaks += 1;
    clearTimeout(this.#opening);
    this.#opening = setTimeout(() => this.#open(), pause * (0.5 + Math.random() / 2));
    this.now();
  }

  #setLive(isLive) {
    this.#isLive = isLive;
    this.#told.live(isLive);
  }

  /** Look because there is something new; changes that come thick and fast are one. */
  #soon() {
    if (this.#isAsking) this.#asksAgain = true;
    else this.now();
  }

  async #ask(signal) {
    this.#isAsking = true;
    this.#asksAgain = false;
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
    if (document.hidden) return;
    this.#timer = setTimeout(() => this.#breathed(), BREATH_MS);
  }

  /** Ask again where something new came meanwhile; else at the usual time. */
  #breathed() {
    this.#isAsking = false;
    if (this.#asksAgain) this.now();
    else this.#timer = setTimeout(() => this.now(), this.#pause() - BREATH_MS);
  }

  #pause() {
    if (this.#failures) return Math.min(OFTEN_MS * 2 ** (this.#failures - 1), LONGEST_MS);
    return this.#isLive ? SELDOM_MS : OFTEN_MS;
  }
}
