// What the extension does to the open study: which one is read, new series, what stands beside
// what. Written for OHIF 3.13; its services are handed over once, by the extension.

const PATIENCE_MS = 15000;
const REDRAW_MS = 300;
const REDRAWS = 10;
const LOST_MS = 5000;
const RELOADS = 3;
const IMAGE_ORDERED = 'CORNERSTONE_PRE_STACK_NEW_IMAGE';
const IMAGE_CAME = 'CORNERSTONE_STACK_NEW_IMAGE';
const listeners = new Set();
let ohif = null;
let active = null;

/** Keep OHIF's managers. */
export function connect(managers) {
  ohif = managers;
}

/** Follow which study the active viewport shows, from when the viewer opens until it closes. */
export function watch() {
  const { viewportGridService, displaySetService } = ohif.servicesManager.services;
  const stops = [
    viewportGridService.subscribe(viewportGridService.EVENTS.ACTIVE_VIEWPORT_ID_CHANGED, update),
    viewportGridService.subscribe(viewportGridService.EVENTS.GRID_STATE_CHANGED, update),
    displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, update),
  ];
  document.addEventListener(IMAGE_ORDERED, followImage, true); // the event does not bubble
  update();
  return () => {
    document.removeEventListener(IMAGE_ORDERED, followImage, true);
    stops.forEach(stop => stop.unsubscribe());
    set(null);
  };
}

/** @returns {string|null} Study Instance UID of the study that the reader looks at. */
export const activeStudy = () => active;

/** Call `listener` when the reader looks at another study. */
export function onOtherStudy(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Bring series that the node has stored meanwhile into the open study. */
export async function addSeries(studyUid, seriesUids) {
  const { displaySetService } = ohif.servicesManager.services;
  if (!displaySetService.getActiveDisplaySets().some(ds => ds.StudyInstanceUID === studyUid)) return;
  const missing = seriesUids.filter(uid => displaySetService.getDisplaySetsForSeries(uid).length === 0);
  if (missing.length === 0) return;
  const source = ohif.extensionManager.getActiveDataSource()[0];
  // OHIF 3.13.2 keeps metadata under "name:uid", but forgets under the UID alone.
  source.deleteStudyMetadataPromise(studyUid);
  source.deleteStudyMetadataPromise(`${source.getConfig().name}:${studyUid}`);
  await source.retrieve.series.metadata({
    StudyInstanceUID: studyUid,
    filters: { seriesInstanceUID: missing },
  });
}

/** Open the extension's panel. */
export function openPanel(id) {
  ohif.servicesManager.services.panelService.activatePanel(id, true);
}

/**
 * Show a series beside the image: where a series of ours stands already, else in a second viewport.
 * @param {string} seriesUid  the series to show
 * @param {string[]} ours  the series that the node wrote
 */
export async function showBeside(seriesUid, ours) {
  const { displaySetService, viewportGridService } = ohif.servicesManager.services;
  const displaySet = await until(() => displaySetService.getDisplaySetsForSeries(seriesUid)[0]);
  if (!displaySet) return;
  const grid = () => [...viewportGridService.getState().viewports.values()];
  if (grid().length < 2) {
    ohif.commandsManager.run('setViewportGridLayout', { numRows: 1, numCols: 2 });
    await until(() => grid().length > 1);
  }
  const seriesOf = viewport =>
    viewport.displaySetInstanceUIDs.map(uid => displaySetService.getDisplaySetByUID(uid)?.SeriesInstanceUID);
  const { activeViewportId } = viewportGridService.getState();
  const place =
    grid().find(viewport => seriesOf(viewport).some(uid => ours.includes(uid))) ??
    grid().find(viewport => viewport.viewportId !== activeViewportId);
  show(place.viewportId, [displaySet.displaySetInstanceUID]);
  await drawAgain(place.viewportId);
  await fetchLost();
}

/** @returns {string|null} which of these series stands in a viewport. */
export function shownOf(seriesUids) {
  const { displaySetService, viewportGridService } = ohif.servicesManager.services;
  const shown = [...viewportGridService.getState().viewports.values()].flatMap(viewport =>
    (viewport.displaySetInstanceUIDs ?? []).map(uid => displaySetService.getDisplaySetByUID(uid)?.SeriesInstanceUID)
  );
  return shown.find(uid => seriesUids.includes(uid)) ?? null;
}

function show(viewportId, displaySetInstanceUIDs) {
  ohif.servicesManager.services.viewportGridService.setDisplaySetsForViewport({ viewportId, displaySetInstanceUIDs });
}

// An image that could not be fetched, or was on its way while the grid was laid out anew, leaves
// its viewport blank for good.
async function fetchLost() {
  for (let times = 0; times < RELOADS; times += 1) {
    if (await until(() => blank().length === 0, LOST_MS)) return;
    await Promise.all(blank().map(({ viewportId }) => setAnew(viewportId)));
  }
}

// An image that comes after its series has left its viewport is drawn over the one that stands there
// now: OHIF 3.13.2 finds the viewport by its name alone.
function followImage({ target }) {
  target.addEventListener(IMAGE_CAME, turnAwayStray);
}

function turnAwayStray({ target, detail: { viewportId, imageId } }) {
  const viewport = ohif.servicesManager.services.cornerstoneViewportService.getCornerstoneViewport(viewportId);
  if (viewport && !(target.isConnected && viewport.getImageIds().includes(imageId))) setAnew(viewportId);
}

async function setAnew(viewportId) {
  const { viewportGridService } = ohif.servicesManager.services;
  const shown = () => viewportGridService.getState().viewports.get(viewportId)?.displaySetInstanceUIDs;
  const lost = shown();
  if (!lost?.length) return;
  show(viewportId, []);
  await pause(REDRAW_MS);
  if (shown()?.length !== 0) return; // meanwhile the reader has put something there, or closed it
  show(viewportId, lost);
  await drawAgain(viewportId);
}

// Viewports of stacks that show none of their images.
function blank() {
  const { cornerstoneViewportService, viewportGridService } = ohif.servicesManager.services;
  return [...viewportGridService.getState().viewports.values()].filter(({ viewportId }) => {
    const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
    if (!viewport?.getCornerstoneImage) return false;
    return !viewport.getImageIds().includes(viewport.getCornerstoneImage()?.imageId);
  });
}

// OHIF 3.13.2 sometimes draws an image before it has put the report's regions on it, and then
// leaves them out until something makes it draw again.
async function drawAgain(viewportId) {
  const { cornerstoneViewportService } = ohif.servicesManager.services;
  for (let times = 0; times < REDRAWS; times += 1) {
    await pause(REDRAW_MS);
    cornerstoneViewportService.getCornerstoneViewport(viewportId)?.render();
  }
}

function update() {
  const { viewportGridService, displaySetService } = ohif.servicesManager.services;
  const viewport = viewportGridService.getState().viewports.get(viewportGridService.getActiveViewportId());
  const shown = (viewport?.displaySetInstanceUIDs ?? []).map(uid => displaySetService.getDisplaySetByUID(uid));
  const displaySet = shown.find(Boolean) ?? displaySetService.getActiveDisplaySets()[0];
  set(displaySet?.StudyInstanceUID ?? null);
}

function set(uid) {
  if (uid === active) return;
  active = uid;
  listeners.forEach(listener => listener());
}

async function until(condition, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  while (!condition() && Date.now() < end) await pause(50);
  return condition();
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
