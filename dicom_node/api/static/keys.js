// The keyboard: letters act on the current row unless somebody is typing.

const TYPED_IN = "input, textarea, select, dialog[open] *";
const PAGE = 10;

/**
 * Listen to the keyboard.
 * @param {Object<string, function()>} acts what each act does
 * @param {{move: function(number), focus: function()}} list
 */
export function listen(acts, list) {
  const letters = {
    j: () => list.move(1),
    k: () => list.move(-1),
    g: () => list.move(-Infinity),
    G: () => list.move(Infinity),
    o: acts.open,
    d: acts.details,
    a: acts.accept,
    r: acts.reject,
    m: acts.amend,
    x: acts.again,
    "/": acts.search,
    "?": acts.help,
    Escape: acts.close,
  };
  const inRow = {
    ArrowDown: letters.j,
    ArrowUp: letters.k,
    PageDown: () => list.move(PAGE),
    PageUp: () => list.move(-PAGE),
    Home: letters.g,
    End: letters.G,
    Enter: acts.open,
    " ": acts.details,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches(TYPED_IN)) {
      leave(event, list);
      return;
    }
    const act = (isRow(event.target) ? inRow[event.key] : null) ?? letters[event.key] ?? fromBody(event, letters);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** From the search field, Enter and Escape lead to the list. */
function leave(event, list) {
  if (event.target.type === "search" && (event.key === "Enter" || event.key === "Escape")) list.focus();
}

function isRow(target) {
  return target.matches("tr[data-uid]");
}

/** Arrows begin with the list where nothing has the focus. */
function fromBody(event, letters) {
  if (event.target !== document.body) return undefined;
  return { ArrowDown: letters.j, ArrowUp: letters.k }[event.key];
}
