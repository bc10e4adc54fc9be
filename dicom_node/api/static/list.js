// The rows: each stands for one study as long as that is listed, so that focus and place survive.

import { waiting } from "./bars.js";
import { make } from "./dom.js";
import { cells, fingerprint } from "./row.js";

/** The table's body. */
export class List {
  #body;
  #rows = new Map();
  #current = null;
  #behind = 0;

  /** @param {HTMLElement} body a tbody */
  constructor(body) {
    this.#body = body;
    body.addEventListener("focusin", (event) => this.#choose(event.target.closest("tr")));
  }

  /** The item that keys act on, null where the list is empty. */
  get current() {
    return this.#rows.get(this.#current)?.item ?? null;
  }

  /** Return the listed item of a study. */
  item(uid) {
    return this.#rows.get(uid)?.item ?? null;
  }

  /**
   * Show these items in this order.
   * @param {object[]} items of /ai/board
   * @param {number} behind milliseconds by which this machine's clock is behind the node's
   * @returns {{fresh: object[], changed: object[]}} what was not listed, or in another state
   */
  show(items, behind) {
    this.#behind = behind;
    const focus = this.#focused();
    const news = { fresh: [], changed: [] };
    const listed = new Set(items.map((item) => item.study_instance_uid));
    for (const [uid, { row }] of this.#rows) {
      if (listed.has(uid)) continue;
      row.remove();
      this.#rows.delete(uid);
    }
    this.#place(items.map((item) => this.#row(item, news)));
    if (!this.#rows.has(this.#current)) this.#choose(this.#body.firstElementChild);
    this.#refocus(focus);
    return news;
  }

  /** Choose the row so many places further on, and focus it. */
  move(steps) {
    const rows = [...this.#body.children];
    const at = rows.indexOf(this.#rows.get(this.#current)?.row);
    const row = rows[Math.min(rows.length - 1, Math.max(0, at + steps))];
    row?.focus();
  }

  /** Focus the row of a study, or of the current one. */
  focus(uid = this.#current) {
    this.#rows.get(uid)?.row.focus();
  }

  /** Write the waiting times anew. */
  tick() {
    for (const { row, item } of this.#rows.values()) {
      const cell = row.querySelector(".wait");
      const told = waiting(item, this.#now());
      const holder = make("td", {}, ...told);
      if (holder.textContent !== cell.textContent) cell.replaceChildren(...told);
    }
  }

  #now() {
    return Date.now() + this.#behind;
  }

  #row(item, news) {
    const uid = item.study_instance_uid;
    const print = fingerprint(item);
    const known = this.#rows.get(uid);
    if (known?.print === print) return known.row;
    const row = known?.row ?? make("tr", { role: "row", tabindex: "-1", "data-uid": uid });
    if (!known) news.fresh.push(item);
    else if (known.item.state !== item.state) news.changed.push(item);
    row.className = `state-${item.state} place-${item.place}`;
    row.replaceChildren(...cells(item, this.#now()));
    this.#rows.set(uid, { row, item, print });
    return row;
  }

  /** Bring the rows in order, moving as few as need be: a row that moves loses scroll and focus. */
  #place(rows) {
    let next = this.#body.firstElementChild;
    for (const row of rows) {
      if (row === next) {
        next = next.nextElementSibling;
      } else if (next && row === next.nextElementSibling) {
        next = row.nextElementSibling; // the one between them comes later, and is moved there
      } else {
        this.#body.insertBefore(row, next);
      }
    }
  }

  #choose(row) {
    const uid = row?.dataset.uid ?? null;
    const before = this.#rows.get(this.#current)?.row;
    before?.setAttribute("tabindex", "-1");
    before?.removeAttribute("aria-current");
    this.#current = uid;
    row?.setAttribute("tabindex", "0");
    row?.setAttribute("aria-current", "true");
  }

  #focused() {
    const row = document.activeElement?.closest?.("tr[data-uid]");
    if (!row || !this.#body.contains(row)) return null;
    return { uid: row.dataset.uid, act: document.activeElement.dataset.act ?? null };
  }

  #refocus(focus) {
    const row = this.#rows.get(focus?.uid)?.row;
    if (!row) return;
    const inner = focus.act && row.querySelector(`[data-act="${focus.act}"]`);
    const wanted = inner || row;
    if (document.activeElement !== wanted) wanted.focus({ preventScroll: true });
  }
}
