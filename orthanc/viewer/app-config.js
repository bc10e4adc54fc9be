// OHIF's configuration. With ?stock in the address, OHIF as its makers ship it: no extension.

(function () {
  const base = window.PUBLIC_URL;
  const query = new URLSearchParams(location.search);
  const stock = query.has('stock');
  const atList = location.pathname === base || `${location.pathname}/` === base;

  if (!stock && atList && !query.has('sortBy')) {
    query.set('sortBy', 'aiPriority'); // the node's reading order, unless the reader chose another
    query.set('sortDirection', 'asc');
    history.replaceState(null, '', `${base}?${query}`);
  }

  const source = {
    friendlyName: 'dicom-node',
    name: 'orthanc',
    wadoUriRoot: `${location.origin}/wado`,
    qidoRoot: `${location.origin}/dicom-web`,
    wadoRoot: `${location.origin}/dicom-web`,
    qidoSupportsIncludeField: true,
    queryLimit: 500, // OHIF asks once and turns pages by itself; the node sends the urgent ones first
    supportsReject: false,
    imageRendering: 'wadors',
    thumbnailRendering: 'wadors', // Orthanc has no /thumbnail
    enableStudyLazyLoad: true,
    supportsFuzzyMatching: false,
    supportsWildcard: true,
    dicomUploadEnabled: false,
    omitQuotationForMultipartRequest: true,
    singlepart: 'bulkdata,video,pdf',
    bulkDataURI: { enabled: true },
  };

  function logo(React) {
    window.dicomNodeReact = React; // the only way an extension gets at it: see react.mjs
    return React.createElement('span', { className: 'ai-logo' }, 'dicom-node', React.createElement('br'), 'Research use only');
  }

  window.config = {
    routerBasename: null,
    extensions: stock ? [] : [`${location.origin}${base}node/extension.mjs`],
    modes: [],
    showStudyList: true,
    maxNumberOfWebWorkers: 2,
    showWarningMessageForCrossOrigin: true,
    showCPUFallbackMessage: true,
    showLoadingIndicator: true,
    strictZSpacingForVolumeViewport: true,
    groupEnabledModesFirst: true,
    maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
    showErrorDetails: 'always',
    investigationalUseDialog: { option: stock ? 'always' : 'never' }, // the header says it, always
    defaultDataSourceName: 'orthanc',
    dataSources: [
      {
        namespace: stock
          ? '@ohif/extension-default.dataSourcesModule.dicomweb'
          : 'dicom-node.dataSourcesModule.dicomweb',
        sourceName: 'orthanc',
        configuration: source,
      },
    ],
    ...(stock
      ? {}
      : {
          whiteLabeling: { createLogoComponentFn: logo },
          customizationService: {
            mode: { '*': { rightPanels: { $push: ['dicom-node.panelModule.aiPanel'] } } },
          },
        }),
  };
})();
