// OHIF's own React. It is in no module that an extension could import; OHIF hands it to the
// function that draws the logo, and app-config.js keeps it.

/** @returns {object} OHIF's React. */
export const react = () => globalThis.dicomNodeReact;

/** createElement of OHIF's React: text in it is always escaped. */
export const h = (...parts) => react().createElement(...parts);

/** Draw a component anew whenever `subscribe(listener)` calls its listener. */
export function useChanges(subscribe, key) {
  const [, redraw] = react().useReducer(count => count + 1, 0);
  react().useEffect(() => subscribe(redraw), [key]);
}
