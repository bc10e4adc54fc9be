// Draws /ai/worklist, and asks again every few seconds. All text goes through textContent.

const PERIOD_MS = 4000;
const rows = document.getElementById("rows");
const status = document.getElementById("status");

function cell(row, text, name = "") {
  const made = row.insertCell();
  made.textContent = text;
  made.className = name;
  return made;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

function why(item) {
  if (item.refusal) return `${item.refusal.code}: ${item.refusal.reason}`;
  if (item.error) return `${item.error.stage}: ${item.error.message}`;
  return item.priority_reason ?? "";
}

function findings(item) {
  const words = { true: "present", false: "absent", null: "undetermined" };
  return item.findings
    .map((f) => `${f.label} ${percent(f.probability)} (${words[f.present]})`)
    .join(", ");
}

function link(target, item) {
  const anchor = document.createElement("a");
  anchor.textContent = item.study_description || item.study_instance_uid;
  const address = new URL(item.viewer_url, location.href);
  if (["http:", "https:"].includes(address.protocol)) anchor.href = address.href;
  target.append(`${item.modality} `, anchor);
}

function draw(item) {
  const row = document.createElement("tr");
  row.className = `state-${item.state}`;
  cell(row, item.priority ?? "–", `priority priority-${item.priority}`);
  cell(row, item.state, "state");
  cell(row, [item.patient_name, item.patient_id].filter(Boolean).join(" · "));
  link(cell(row, ""), item);
  cell(row, findings(item));
  cell(row, why(item));
  cell(row, item.received_at ? new Date(item.received_at).toLocaleString() : "");
  cell(row, item.assessment ? `${item.assessment.verdict} (${item.assessment.user})` : "");
  return row;
}

async function refresh() {
  try {
    const answer = await fetch("/ai/worklist", { signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`the node answered ${answer.status}`);
    const list = await answer.json();
    rows.replaceChildren(...list.items.map(draw));
    const at = new Date(list.generated_at).toLocaleTimeString();
    status.textContent = `${list.items.length} studies, as of ${at}`;
    status.className = "";
  } catch (error) {
    status.textContent = `The list below is old: ${error.message}. Trying again.`;
    status.className = "stale";
  }
  setTimeout(refresh, PERIOD_MS);
}

refresh();
