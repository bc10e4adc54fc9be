// What a person can do about a refusal or a failure.

const READ = "Read it without AI help.";
const IMAGES = `${READ} If it should have been read: check at the modality what was sent.`;
const KIND = `${READ} The node reads frontal chest films and chest CT, nothing else.`;
const HEADER = `${READ} Correct the study's header in the archive or send it again, then ask for a new reading.`;

const REFUSALS = {
  NO_ELIGIBLE_SERIES: KIND,
  MODALITY_NOT_SUPPORTED: KIND,
  SOP_CLASS_NOT_SUPPORTED: KIND,
  MULTIFRAME_NOT_SUPPORTED: KIND,
  NO_PIXEL_DATA: IMAGES,
  TRANSFER_SYNTAX_NOT_SUPPORTED: `${READ} Send it uncompressed, or as JPEG or JPEG 2000.`,
  UNDECODABLE: `${READ} The image is damaged: send it again from its source.`,
  INCONSISTENT_HEADER: HEADER,
  IMAGE_TOO_LARGE: `${READ} The limit is in the node's policy.`,
  IMAGE_TOO_SMALL: IMAGES,
  BLANK_IMAGE: IMAGES,
  SCREEN_CAPTURE: `${READ} Send the original image, not a picture of a screen.`,
  PATIENT_MISMATCH: `Check whose images these are before anybody reads them. ${HEADER}`,
  DUPLICATE_SOP_INSTANCE_UID: HEADER,
  SCOUT: `${READ} Only a scout arrived: send the axial series.`,
  NOT_AXIAL: `${READ} Send the axial series.`,
  TOO_FEW_SLICES: `${READ} Send the whole series; it is then read by itself.`,
  NO_LUNG: KIND,
  NOT_CHEST: KIND,
  NOT_FRONTAL: `${READ} The model knows frontal views alone.`,
  NOT_UPRIGHT: `${READ} Rotate the image in the archive, then ask for a new reading.`,
  OUT_OF_DISTRIBUTION: `${READ} The image is unlike all that the model has seen, so it would guess.`,
};

const AGAIN = "Retry it. If it fails again, the node's operator finds the cause in the worker's log.";
const STAGES = {
  receive: "Send the study again.",
  dispatch: "The queue was down. Retry it.",
  claim: "The worker was lost in the middle. Retry it.",
  fetch: "The archive did not give the images. Check that Orthanc runs, then retry it.",
  decode: AGAIN,
  gate: AGAIN,
  infer: AGAIN,
  prioritise: AGAIN,
  record: "The ledger could not be written: is the disk full? Then retry it.",
  report: AGAIN,
  store: "The archive did not take the report: is the disk full? Then retry it.",
  confirm: "The archive did not confirm the report. Check that Orthanc runs, then retry it.",
  deliver: "A destination did not take the report. Check that it runs, then retry it.",
};

/**
 * Return what to do about a study that was refused or failed, "" for any other.
 * @param {{refusal: ?{code: string}, error: ?{stage: string}}} item
 */
export function advice({ refusal, error }) {
  if (refusal) return REFUSALS[refusal.code] ?? READ;
  if (error) return `${STAGES[error.stage] ?? AGAIN} Until then nobody but a reader has looked at it.`;
  return "";
}
