// Draws /ai/openapi.json without help from other hosts. All text goes through textContent.

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function schemas(content = {}) {
  return Object.entries(content).map(([type, { schema = {} }]) => {
    const name = schema.$ref?.split("/").pop() ?? schema.title ?? schema.type ?? "";
    return `${type} ${name}`;
  });
}

function call(method, path, operation) {
  const list = document.createElement("dl");
  const add = (term, text) => list.append(element("dt", term), element("dd", text));
  for (const { name, in: place, description = "", schema } of operation.parameters ?? []) {
    add(`${name} (${place})`, `${description} ${JSON.stringify(schema)}`);
  }
  if (operation.requestBody) add("body", JSON.stringify(operation.requestBody.content));
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    add(status, [description, ...schemas(content)].join(" · "));
  }
  const title = element("h2", `${method.toUpperCase()} ${path}`);
  return element("section", "", title, element("p", operation.description ?? ""), list);
}

const status = document.getElementById("status");
const answer = await fetch("/ai/openapi.json");
if (answer.ok) {
  const api = await answer.json();
  const calls = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => call(method, path, operation)));
  const values = Object.entries(api.components?.schemas ?? {}).map(([name, schema]) =>
    element("section", "", element("h3", name), element("pre", JSON.stringify(schema, null, 2))));
  document.getElementById("calls").append(...calls, element("h2", "Values"), ...values);
  status.textContent = `version ${api.info.version}: ${api.info.description}`;
} else {
  status.textContent = `The node answered ${answer.status}.`;
}
