"use strict";
// The try-it page: reads openapi.json, makes a form of each operation, sends it and shows the answer.
// Whatever comes from the server is put in as text, never as markup.

const TOKEN_KEY = "palaver.token";
const KEY_HEADER = "Idempotency-Key";
const KEY_IN_BODY = /("(?:client_message_id|idempotency_key)"\s*:\s*)"[^"]*"/;
const byId = (id) => document.getElementById(id);

let api;
let operations = [];

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function resolve(schema) {
  return schema && schema.$ref ? resolve(api.components.schemas[schema.$ref.split("/").pop()]) : schema || {};
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items || {})}[]`;
  return schema.type || "any";
}

// Reading the description

function readOperations() {
  const found = [];
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      found.push({ ...operation, path, method, fields: (operation.parameters || []).flatMap(fieldsOf) });
    }
  }
  return found;
}

// A parameter that is an exploded object is several fields of the query.
function fieldsOf(parameter) {
  const schema = resolve(parameter.schema);
  if (schema.type !== "object") return [{ ...parameter, schema }];
  const names = Object.entries(schema.properties || {});
  return names.map(([name, inner]) => ({ name, in: parameter.in, schema: inner, description: inner.description }));
}

// The list on the left

function drawList() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const list = byId("list");
  list.replaceChildren();
  for (const tag of api.tags.map((each) => each.name)) {
    const shown = operations.filter((each) => each.tags[0] === tag && describes(each, wanted));
    if (shown.length === 0) continue;
    list.append(make("h2", { textContent: tag }), ...shown.map(link));
  }
}

function describes(operation, wanted) {
  return `${operation.method} ${operation.path} ${operation.summary} ${operation.operationId}`.toLowerCase().includes(wanted);
}

function link(operation) {
  const anchor = make("a", { href: `#${operation.operationId}`, title: operation.path }, badge(operation), operation.summary);
  if (location.hash === anchor.hash) anchor.setAttribute("aria-current", "true");
  return anchor;
}

function badge(operation) {
  return make("span", { className: `method ${operation.method}`, textContent: operation.method.toUpperCase() });
}

// One operation

function drawOperation() {
  const operation = operations.find((each) => `#${each.operationId}` === location.hash) || operations[0];
  const form = make("form", { noValidate: true });
  const inputs = operation.fields.map((field) => ({ field, input: inputFor(field) }));
  const body = bodyInput(operation);
  const answer = make("section", { ariaLive: "polite" });
  const send = make("button", { className: "primary", textContent: "Send" });
  const copy = make("button", { type: "button", textContent: "Copy as curl" });
  const fresh = make("button", { type: "button", textContent: "New key" });
  if (inputs.length) form.append(make("h3", { textContent: "Parameters" }), fieldGrid(inputs));
  if (body) form.append(make("h3", { textContent: "Body" }), body, bodyFields(operation));
  form.append(make("div", { className: "actions" }, send, copy, hasKey(inputs, body) ? fresh : null));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    perform(requestOf(operation, inputs, body), send, answer);
  });
  fresh.addEventListener("click", () => renewKeys(inputs, body));
  copy.addEventListener("click", () => copyText(curlOf(requestOf(operation, inputs, body)), copy));
  byId("operation").replaceChildren(
    make("h2", { textContent: operation.summary }),
    make("div", { className: "address" }, badge(operation), ` ${operation.path}`),
    make("p", { textContent: operation.description || "" }),
    form,
    answer,
    answersOf(operation),
  );
  drawList();
}

// A key stands for one message or one change: the same again is answered as a duplicate.
function hasKey(inputs, body) {
  return inputs.some(({ field }) => field.name === KEY_HEADER) || (body && KEY_IN_BODY.test(body.value));
}

function renewKeys(inputs, body) {
  const key = newKey();
  for (const { field, input } of inputs) if (field.name === KEY_HEADER) input.value = key;
  if (body) body.value = body.value.replace(KEY_IN_BODY, `$1"${key}"`);
}

function inputFor(field) {
  const id = `field-${field.in}-${field.name}`;
  if (field.schema.enum) {
    const options = ["", ...field.schema.enum].map((value) => make("option", { value, textContent: value }));
    return make("select", { id }, ...options);
  }
  const value = field.in === "path" ? remembered(field.name) : field.name === KEY_HEADER ? newKey() : "";
  return make("input", { id, value, placeholder: String(field.example ?? ""), autocomplete: "off", spellcheck: false });
}

function fieldGrid(inputs) {
  const grid = make("div", { className: "fields" });
  for (const { field, input } of inputs) {
    const label = make("label", { htmlFor: input.id, textContent: field.name, className: field.required ? "required" : "" });
    const note = [field.in, typeOf(field.schema), field.description].filter(Boolean).join(" · ");
    grid.append(label, make("div", {}, input, make("small", { textContent: note })));
  }
  return grid;
}

function bodyInput(operation) {
  if (!operation.requestBody) return null;
  const value = JSON.stringify(operation.requestBody.content["application/json"].example || {}, null, 2);
  return make("textarea", { value, spellcheck: false, ariaLabel: "Body, JSON" });
}

function bodyFields(operation) {
  const schema = resolve(operation.requestBody.content["application/json"].schema);
  const required = schema.required || [];
  const rows = Object.entries(schema.properties || {}).map(([name, inner]) =>
    make("tr", {},
      make("td", { textContent: name, className: required.includes(name) ? "required" : "" }),
      make("td", { textContent: typeOf(inner) }),
      make("td", { textContent: inner.description || "" })));
  return make("details", {}, make("summary", { textContent: "Fields" }), make("table", {}, ...rows));
}

function answersOf(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) =>
    make("tr", {}, make("td", { textContent: status }), make("td", { textContent: response.description })));
  return make("details", {}, make("summary", { textContent: "Answers" }), make("table", {}, ...rows));
}

// Sending

function requestOf(operation, inputs, body) {
  const query = new URLSearchParams();
  const headers = {};
  let path = operation.path;
  for (const { field, input } of inputs) {
    const value = input.value.trim();
    if (field.in === "path") {
      path = path.replace(`{${field.name}}`, encodeURIComponent(value));
      remember(field.name, value);
    } else if (value !== "" && field.in === "query") query.set(field.name, value);
    else if (value !== "") headers[field.name] = value;
  }
  const token = byId("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const search = query.toString();
  const url = new URL(path.slice(1) + (search ? `?${search}` : ""), document.baseURI);
  return { method: operation.method.toUpperCase(), url, headers, body: body ? body.value : undefined };
}

async function perform({ url, ...request }, button, target) {
  button.disabled = true;
  const started = performance.now();
  try {
    const response = await fetch(url, { ...request, cache: "no-store", credentials: "omit" });
    const text = await response.text();
    target.replaceChildren(...drawAnswer(response, text, performance.now() - started));
    noteAnswer(text);
  } catch (error) {
    target.replaceChildren(make("h3", { textContent: "No answer" }), make("pre", { textContent: String(error) }));
  } finally {
    button.disabled = false;
  }
}

function drawAnswer(response, text, tookMs) {
  const mood = response.ok || response.status === 304 ? "good" : "bad";
  const headers = Array.from(response.headers, ([name, value]) => `${name}: ${value}`).join("\n");
  return [
    make("h3", {}, make("span", { className: `status ${mood}`, textContent: `${response.status} ${response.statusText}` }),
      make("span", { className: "quiet", textContent: `  ${tookMs.toFixed(0)} ms` })),
    make("pre", { textContent: pretty(text) }),
    make("details", {}, make("summary", { textContent: "Headers" }), make("pre", { textContent: headers })),
  ];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text || "(no content)";
  }
}

// What one answer names is what the next request is likely to be about.
function noteAnswer(text) {
  try {
    const answer = JSON.parse(text);
    if (answer.conversation_id) remember("conversation_id", answer.conversation_id);
    const seq = answer.message_seq || (answer.durability && answer.seq);
    if (seq) remember("seq", String(seq));
  } catch {
    return;
  }
}

function curlOf({ method, url, headers, body }) {
  const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
  const lines = [`curl -i -X ${method} ${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser refused";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

// What stays while the tab is open

function remember(name, value) {
  sessionStorage.setItem(`palaver.${name}`, value);
}

function remembered(name) {
  return sessionStorage.getItem(`palaver.${name}`) || "";
}

function showWho() {
  const token = byId("token").value.trim();
  sessionStorage.setItem(TOKEN_KEY, token);
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    byId("who").textContent = `as ${JSON.parse(new TextDecoder().decode(bytes)).sub}`;
  } catch {
    byId("who").textContent = token ? "this is no JWT" : "";
  }
}

async function start() {
  byId("token").value = sessionStorage.getItem(TOKEN_KEY) || "";
  byId("token").addEventListener("input", showWho);
  byId("filter").addEventListener("input", drawList);
  showWho();
  const response = await fetch(new URL("openapi.json", document.baseURI));
  api = await response.json();
  operations = readOperations();
  byId("version").textContent = api.info.version;
  window.addEventListener("hashchange", drawOperation);
  drawOperation();
}

start().catch((error) => byId("operation").replaceChildren(make("pre", { textContent: String(error) })));
