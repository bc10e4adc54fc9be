// The drawer: all that the node knows of one study.

import { ask, picture, Trouble } from "./api.js";
import { advice } from "./advice.js";
import { findingBar } from "./bars.js";
import { button, byId, make } from "./dom.js";
import { modelFacts } from "./models.js";
import { viewerAddress } from "./row.js";
import { labelWords, personName, priorityWords, seconds, stateWords, time } from "./words.js";

const SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7";

/** The drawer beside the list, over it on a phone. */
export class Details {
  #drawer = byId("details");
  #title = byId("details-title");
  #body = byId("details-body");
  #uid = null;
  #shown = "";
  #picture = { uid: null, url: null };

  /** The study that is shown, null while the drawer is shut. */
  get uid() {
    return this.#uid;
  }

  /** Open the drawer on a study, and bring the reader to its title. */
  async open(uid) {
    this.#uid = uid;
    this.#shown = "";
    this.#drawer.hidden = false;
    this.#title.textContent = "Loading …";
    this.#body.replaceChildren();
    this.#drawer.scrollTop = 0;
    await this.#look(false);
    this.#title.focus();
  }

  /** Shut the drawer. */
  close() {
    this.#uid = null;
    this.#drawer.hidden = true;
  }

  /** Ask for the study again, and draw it where it has changed. */
  async refresh() {
    await this.#look(true);
  }

  async #look(refresh) {
    const uid = this.#uid;
    if (uid === null) return;
    try {
      const { body } = await ask(`/ai/studies/${encodeURIComponent(uid)}`, { refresh });
      if (uid !== this.#uid) return;
      const { wait_s: _, ...study } = body;
      const print = JSON.stringify(study);
      if (print === this.#shown) return;
      this.#shown = print;
      await this.#draw(body);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (!this.#shown) this.#title.textContent = `No details: ${error.message}.`;
    }
  }

  async #draw(study) {
    const focus = this.#body.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    this.#title.textContent = personName(study.patient_name);
    this.#body.replaceChildren(
      this.#acts(study),
      identity(study),
      ending(study),
      findings(study),
      this.#heatmap(study),
      assessment(study),
      model(study),
      history(study),
    );
    if (focus) this.#body.querySelector(`[data-act="${focus}"]`)?.focus();
    const facts = study.model && (await modelFacts(study.model));
    if (facts && study.study_instance_uid === this.#uid) {
      this.#body.querySelector(".model").append(...facts);
    }
  }

  #acts(study) {
    const href = viewerAddress(study);
    const open = make("a.button", { href, target: "dicom-node-viewer" }, "Open in viewer");
    const again = study.state === "FAILED" ? "Retry" : "Read again";
    const under = ["QUEUED", "RUNNING"].includes(study.state);
    const judge = { disabled: !study.report };
    return make(
      "p.acts",
      {},
      open,
      button("Accept", "accept", judge),
      button("Reject", "reject", judge),
      button("Amend", "amend", judge),
      button(again, "again", { disabled: under }),
    );
  }

  #heatmap(study) {
    const [object] = study.report
      ? study.heatmaps.filter((one) => one.sop_class_uid.startsWith(SECONDARY_CAPTURE))
      : [];
    if (!object) return "";
    const what = "Heatmap: where the model looked. It does not outline disease.";
    const image = make("img", { alt: what });
    const told = make("figcaption", {}, what);
    this.#load(study.study_instance_uid, object, image, told);
    return make("figure", {}, image, told);
  }

  async #load(study, object, image, told) {
    if (this.#picture.uid !== object.sop_instance_uid) {
      if (this.#picture.url) URL.revokeObjectURL(this.#picture.url);
      this.#picture = { uid: null, url: null };
      try {
        this.#picture = { uid: object.sop_instance_uid, url: await picture(study, object) };
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        image.remove();
        told.textContent = `The heatmap cannot be shown: ${error.message}.`;
        return;
      }
    }
    image.src = this.#picture.url;
  }
}

function section(title, ...children) {
  return make(`section.${title.split(" ")[0].toLowerCase()}`, {}, make("h3", {}, title), ...children);
}

function terms(pairs) {
  const shown = pairs.filter(([, value]) => value);
  return make("dl", {}, ...shown.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}

function identity(study) {
  const [, state] = stateWords(study.state);
  const [, priority] = priorityWords(study.priority);
  return terms([
    ["State", state],
    ["Priority", study.priority && `${priority}: ${labelWords(study.priority_reason ?? "")}`],
    ["Study", [study.modality, study.study_description].filter(Boolean).join(" · ")],
    ["Images", imagesWords(study.images)],
    ["Patient ID", study.patient_id],
    ["Accession", study.accession_number],
    ["Received", time(study.received_at)],
    ["Reported", time(study.reported_at)],
    ["Study UID", study.study_instance_uid],
  ]);
}

/** How many images were read, and why the others were not; "" where an older version read them. */
function imagesWords(images) {
  if (!images) return "";
  const left = images.left_out.map(({ count, reason }) => `Not read: ${count}. ${reason}`);
  return [`${images.read} of ${images.eligible} read.`, ...left].join(" ");
}

function ending(study) {
  const { refusal, error } = study;
  if (!refusal && !error) return "";
  const title = refusal ? "Refused" : "Failed";
  const told = refusal ? `${refusal.code}: ${refusal.reason}` : `${error.stage}: ${error.message}`;
  return section(title, make("p", {}, told), make("p", {}, make("strong", {}, "What to do: "), advice(study)));
}

function findings(study) {
  if (!study.findings.length) return "";
  const note = "Probability as a bar, threshold as a tick. Not a diagnosis.";
  const bars = make("ul.findings", {}, ...study.findings.map(findingBar));
  return section("Findings", bars, make("p.quiet", {}, note));
}

function assessment({ assessment: given }) {
  if (!given) return "";
  const { verdict, finding, user, comment, assessed_at: at } = given;
  const of = finding ? ` of ${labelWords(finding)}` : "";
  const told = make("p", {}, make("strong", {}, `${verdict}${of}`), ` by ${user}, ${time(at)}`);
  return section("Assessment", told, comment && make("blockquote", {}, comment));
}

function model({ model: given }) {
  if (!given) return "";
  const hash = `weights ${given.weights_sha256.slice(0, 12)}…`;
  return section("Model", make("p", {}, `${given.name} ${given.version}, `, make("span.quiet", {}, hash)));
}

function history({ runs, timings }) {
  if (!runs.length) return "";
  const head = ["Run", "State", "Asked by", "Asked at", "Took"].map((word) => make("th", { scope: "col" }, word));
  const rows = runs.map((run) => {
    const took = run.finished_at && (Date.parse(run.finished_at) - Date.parse(run.created_at)) / 1000;
    const why = run.refusal?.code ?? run.error?.message;
    const state = stateWords(run.state)[1] + (why ? `: ${why}` : "");
    const told = [String(run.number), state, run.trigger, time(run.created_at), took ? seconds(took) : "–"];
    return make("tr", {}, ...told.map((text) => make("td", {}, text)));
  });
  const stages = Object.entries(timings).map(([stage, at]) => `${stage} ${at.toFixed(1)} s`).join(" · ");
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return section("Runs", table, make("p.quiet", {}, `Since received: ${stages}`));
}
