// The dialog in which a reader accepts, rejects or amends a report.

import { ask, Trouble } from "./api.js";
import { byId, make } from "./dom.js";
import { labelWords, personName } from "./words.js";

/** One dialog for all studies. */
export class Verdict {
  #dialog = byId("verdict");
  #form = byId("verdict-form");
  #trouble = byId("verdict-trouble");
  #item = null;
  #kept;

  /** @param {function(object, string)} kept gets the item and its verdict once it is stored */
  constructor(kept) {
    this.#kept = kept;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#form.addEventListener("change", () => this.#demand());
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.ctrlKey) this.#form.requestSubmit();
    });
    byId("verdict-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** Ask for the verdict on an item's report, with one already chosen. */
  open(item, verdict) {
    this.#item = item;
    const fields = this.#form.elements;
    byId("verdict-whose").textContent = `${personName(item.patient_name)}: ${item.priority_reason ?? ""}`;
    fields.verdict.value = verdict;
    const labels = item.findings.map(({ label }) => make("option", { value: label }, labelWords(label)));
    fields.finding.replaceChildren(make("option", { value: "" }, "the whole report"), ...labels);
    fields.comment.value = "";
    this.#trouble.textContent = "";
    this.#demand();
    this.#dialog.showModal();
    (verdict === "accept" ? fields.save : fields.comment).focus();
  }

  /** An amendment without words would say nothing. */
  #demand() {
    const { verdict, comment } = this.#form.elements;
    comment.required = verdict.value === "amend";
  }

  async #save() {
    const { verdict, finding, comment, save } = this.#form.elements;
    const item = this.#item;
    const body = { verdict: verdict.value, finding: finding.value || null, comment: comment.value.trim() };
    save.disabled = true;
    try {
      await ask(`/ai/studies/${encodeURIComponent(item.study_instance_uid)}/assessments`, { body });
      this.#dialog.close();
      this.#kept(item, body.verdict);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.#trouble.textContent = `Not kept: ${error.message}. Try again.`;
    } finally {
      save.disabled = false;
    }
  }
}
