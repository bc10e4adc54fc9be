// Talks to the node's API; what goes wrong comes back as one sentence.

const PATIENCE_MS = 15000;

/** Why there is no answer; `status` is 0 where the node was not reached at all. */
export class Trouble extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Ask the API.
 * @param {string} path
 * @param {{tag?: string, signal?: AbortSignal, body?: object, refresh?: boolean}} options `body` makes
 *   it a POST; `refresh` says that the page asks by itself, which keeps no login alive
 * @returns {Promise<{status: number, tag: string, body: ?object}>} body is null for a 304
 * @throws {Trouble} for every error but an abort by `signal`
 */
export async function ask(path, { tag = "", signal, body, refresh = false } = {}) {
  const answer = await reach(path, options(tag, signal, body, refresh));
  if (answer.status === 304) return { status: 304, tag, body: null };
  const told = await read(answer);
  if (answer.status === 401 && !body) logIn();
  if (!answer.ok) throw new Trouble(answer.status, told.detail ?? `the node answered ${answer.status}`);
  return { status: answer.status, tag: answer.headers.get("ETag") ?? "", body: told };
}

/** Return the address of a picture of an object in the archive, to be revoked; or throw. */
export async function picture(study, object) {
  const parts = [study, object.series_instance_uid, object.sop_instance_uid];
  const [uid, series, instance] = parts.map(encodeURIComponent);
  const path = `/dicom-web/studies/${uid}/series/${series}/instances/${instance}/rendered`;
  const answer = await reach(path, { headers: { Accept: "image/jpeg" } });
  if (!answer.ok) throw new Trouble(answer.status, `the archive answered ${answer.status}`);
  return URL.createObjectURL(await answer.blob());
}

/** Lead to the login page, and back here afterwards; what is being written stays on the page. */
function logIn() {
  location.assign(`/ai/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

function options(tag, signal, body, refresh) {
  const headers = refresh ? { "X-Refresh": "1" } : {};
  if (tag) headers["If-None-Match"] = tag;
  if (!body) return { headers, signal };
  headers["Content-Type"] = "application/json";
  return { headers, signal, method: "POST", body: JSON.stringify(body) };
}

async function reach(path, { signal, ...rest }) {
  const late = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(path, { ...rest, signal: signal ? AbortSignal.any([signal, late]) : late });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Trouble(0, "the node does not answer");
  }
}

async function read(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Trouble(answer.status, `the node answered ${answer.status}`);
    throw new Trouble(0, "the node's answer broke off");
  }
}
