// What the API's words look like on the page: a glyph and a word each, never colour alone.

const STATES = {
  RECEIVED: ["↓", "received"],
  QUEUED: ["…", "queued"],
  RUNNING: ["◔", "being read"],
  REPORTED: ["✓", "reported"],
  REFUSED: ["⊘", "refused"],
  FAILED: ["✕", "failed"],
};
const PRIORITIES = { STAT: "▲▲", HIGH: "▲", ROUTINE: "●", LOW: "▽" };
const PRESENT = { true: "present", false: "absent", null: "undetermined" };

/** The states in the order in which they are counted on the page. */
export const STATE_NAMES = Object.keys(STATES);

/** Return [glyph, word] of a state. */
export function stateWords(state) {
  return STATES[state] ?? ["?", state.toLowerCase()];
}

/** Return [glyph, word] of a priority; null: there is none. */
export function priorityWords(priority) {
  return priority === null ? ["–", "none"] : [PRIORITIES[priority] ?? "?", priority];
}

/** Return what a threshold made of a probability. */
export function presence(present) {
  return PRESENT[String(present)];
}

/** Return a label of the models as words: covid19, bacterial pneumonia. */
export function labelWords(label) {
  return label.replaceAll("_", " ");
}

/** Return a share as a percentage, whole numbers but for small ones. */
export function percent(share) {
  const hundred = 100 * share;
  return `${hundred > 0 && hundred < 1 ? hundred.toFixed(1) : Math.round(hundred)} %`;
}

/** Return minutes as a reader says them: "<1 min", "42 min", "3 h 05", "2 d 4 h". */
export function minutes(count) {
  if (count < 1) return "<1 min";
  const whole = Math.floor(count);
  if (whole < 60) return `${whole} min`;
  const hours = Math.floor(whole / 60);
  if (hours < 48) return `${hours} h ${String(whole % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Return a bound of so many minutes: "60 min", "4 h". */
export function bound(count) {
  return count >= 120 && count % 60 === 0 ? `${count / 60} h` : `${count} min`;
}

/** Return seconds as "4.5 s" or in minutes. */
export function seconds(count) {
  return count < 60 ? `${count.toFixed(1)} s` : minutes(count / 60);
}

/** Return a patient's name as DICOM keeps it, in the order in which it is read aloud. */
export function personName(name) {
  return name.replaceAll("^", " ").replaceAll("=", " = ").trim() || "(no name)";
}

/** Return a time of the API in the reader's clock, with the date where it is not today. */
export function time(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString() : at.toLocaleString();
}
