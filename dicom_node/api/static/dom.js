// Elements without markup: all text goes through textContent, so no name can become code.

/**
 * Make an element.
 * @param {string} name tag name, with classes after dots: "td.state.small"
 * @param {Object<string, string|boolean|null>} attributes null and false leave one out
 * @param {...(Node|string|null|undefined|false)} children text, or elements; nothing is left out
 * @returns {HTMLElement}
 */
export function make(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child || child === 0));
  return made;
}

/** Return the element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return a glyph that eyes see and screen readers pass over, since a word stands beside it. */
export function glyph(sign) {
  return make("span.glyph", { "aria-hidden": "true" }, sign);
}

/** Return a button that tells `act` to whoever listens further up. */
export function button(text, act, attributes = {}) {
  return make("button", { type: "button", "data-act": act, ...attributes }, text);
}
