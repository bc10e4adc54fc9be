// The node's API under /ai. Every failure is a Trouble with a sentence for the reader.

const PATIENCE_MS = 20000;

/** An answer that is no success; status 0 where there was none. `run` is the run it speaks of. */
export class Trouble extends Error {
  constructor(status, detail, run = null) {
    super(detail);
    this.status = status;
    this.run = run;
  }

  /** @returns {boolean} whether the node does not answer, so that the same may succeed later. */
  get away() {
    return this.status === 0 || this.status >= 500;
  }
}

const study = uid => `/ai/studies/${encodeURIComponent(uid)}`;

/** @returns {Promise<object>} the study as GET /ai/studies/{uid} tells it. */
export const readStudy = uid => ask(study(uid));

/** @returns {Promise<object>} the run that answers a wish for a reading. */
export const askForRun = (uid, force) => ask(`${study(uid)}/runs`, { force });

/** @returns {Promise<object>} the assessment as it was kept. */
export const assess = (uid, judgement) => ask(`${study(uid)}/assessments`, judgement);

/** @returns {Promise<object>} who is logged in, and his role. */
export const readSession = () => ask('/ai/session');

/** @returns {Promise<object[]>} the models that the node knows, with their cards. */
export const readModels = async () => (await ask('/ai/models')).models;

/** @returns {Promise<object[]>} the first `limit` studies of the worklist, in reading order. */
export const readWorklist = async limit => (await ask(`/ai/worklist?limit=${limit}`)).items;

async function ask(path, body) {
  const options = { headers: { Accept: 'application/json' }, signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    options.method = 'POST';
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  let answer, told;
  try {
    answer = await fetch(path, options);
    told = await answer.json();
  } catch (error) {
    throw new Trouble(answer && !answer.ok ? answer.status : 0, `The node does not answer (${error.name}). Reading goes on.`);
  }
  if (!answer.ok) {
    const detail = told.detail ?? answer.statusText;
    const comfort = answer.status >= 500 ? ' Reading goes on.' : '';
    throw new Trouble(answer.status, detail + comfort, told.run ?? null);
  }
  return told;
}
