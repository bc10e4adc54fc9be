// dicom-node in OHIF 3.13: the button, the panel and the study list's column. RESEARCH USE ONLY.

import { Button } from './button.mjs';
import { Panel } from './panel.mjs';
import { complain, forget, keepUp, onEnd, open, request } from './readings.mjs';
import { meet } from './session.mjs';
import { activeStudy, addSeries, connect, onOtherStudy, openPanel, showBeside, shownOf, watch } from './viewports.mjs';
import { column, withPriorities } from './worklist.mjs';

const ID = 'dicom-node';
const PANEL = `${ID}.panelModule.aiPanel`;
const DICOMWEB = '@ohif/extension-default.dataSourcesModule.dicomweb';
const BUTTON = {
  id: 'AIDiagnosis',
  uiType: 'ai.button',
  props: { label: 'AI diagnosis', tooltip: 'Have the node read this study', commands: 'aiDiagnosis', evaluate: 'evaluate.action' },
};
let stopWatching = null;

async function onEnding(studyUid, study, asked) {
  try {
    await present(studyUid, study, asked);
  } catch (error) {
    complain(studyUid, `The report is stored, but could not be shown (${error.message}).`, 'Reload the page.');
  }
}

/** Add what the node wrote to the open study; beside the image if somebody waits for it. */
async function present(studyUid, study, asked) {
  if (study.report === null) return;
  const report = study.report.series_instance_uid;
  const ours = [...study.reports, ...study.heatmaps].map(object => object.series_instance_uid);
  await addSeries(studyUid, [report, ...study.heatmaps.slice(0, 1).map(object => object.series_instance_uid)]);
  const stands = shownOf(ours);
  const heatmap = study.heatmaps[0]?.series_instance_uid;
  if (stands !== null && stands !== report && stands !== heatmap) {
    // what a newer report has taken back must not stand beside its numbers
    const drew = study.heatmaps.some(object => object.series_instance_uid === stands);
    await showBeside(drew && heatmap ? heatmap : report, ours);
  } else if (asked && activeStudy() === studyUid) await showBeside(report, ours);
}

async function diagnose() {
  openPanel(PANEL);
  const uid = activeStudy();
  if (uid !== null) await request(uid);
}

function addStyle() {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('viewer.css', import.meta.url).href;
  document.head.append(link);
}

export default {
  id: ID,

  preRegistration(managers) {
    connect(managers);
    addStyle();
    onEnd(onEnding);
    onOtherStudy(() => activeStudy() !== null && open(activeStudy()));
  },

  onModeEnter() {
    meet();
    const stops = [watch(), keepUp()];
    stopWatching = () => stops.forEach(stop => stop());
  },

  onModeExit() {
    stopWatching?.();
    stopWatching = null;
    forget();
  },

  getCommandsModule: () => ({ defaultContext: 'DEFAULT', definitions: { aiDiagnosis: diagnose } }),

  getToolbarModule: () => [{ name: 'ai.button', defaultComponent: Button }],

  getPanelModule: () => [
    { name: 'aiPanel', iconName: 'tab-4d', iconLabel: 'AI', label: 'AI diagnosis', component: Panel },
  ],

  getDataSourcesModule: ({ servicesManager, extensionManager }) => [
    {
      name: 'dicomweb',
      type: 'webApi',
      createDataSource: configuration =>
        withPriorities(
          extensionManager.getModuleEntry(DICOMWEB).createDataSource(configuration, servicesManager, extensionManager)
        ),
    },
  ],

  getCustomizationModule: () => [
    {
      name: 'global',
      value: {
        'workList.columns': { $apply: columns => [column, ...columns] },
        'cornerstone.toolbarButtons': { $push: [BUTTON] },
        'cornerstone.toolbarSections': { primary: { $push: [BUTTON.id] } },
        'autoCineModalities': { $set: ['US'] }, // a heatmap (OT) is no film to be played
        'ohif.tours': { $set: [] }, // it covers the image on a reader's first visit
      },
    },
  ],
};
