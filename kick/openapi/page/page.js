"use strict";

// Swagger UI, as kick configures it. Its requests go to this origin with the cookies of the browser.

const SHOWN_SECONDS = 3; // of an event stream, which would never end
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const place = document.getElementById("swagger-ui");

// Requests

async function send(url, options) {
  let response = await fetch(url, options);
  if (await lacksToken(response, options)) {
    const token = await csrfToken();
    if (token) response = await fetch(url, { ...options, headers: { ...options.headers, "X-CSRF-Token": token } });
  }
  return isEventStream(response) ? firstEvents(response) : response;
}

// csrf() needs no token where the browser states the origin. Where a proxy or an extension has removed that, it does.
async function lacksToken(response, options) {
  const method = (options.method || "GET").toUpperCase();
  const isProblem = (response.headers.get("content-type") || "").startsWith("application/problem+json");
  if (response.status !== 403 || SAFE.has(method) || !isProblem) return false;
  return (await response.clone().json()).code === "csrf-token-missing";
}

async function csrfToken() {
  const response = await fetch(place.dataset.csrf, { cache: "no-store" });
  return response.ok ? (await response.json()).token : null;
}

function isEventStream(response) {
  return (response.headers.get("content-type") || "").startsWith("text/event-stream");
}

async function firstEvents(response) {
  const reader = response.body.getReader();
  const end = setTimeout(() => reader.cancel(), SHOWN_SECONDS * 1000);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  clearTimeout(end);
  const shown = new Response(text, response);
  Object.defineProperty(shown, "url", { value: response.url });
  return shown;
}

// The servers of the document that are not this application cannot be reached from this page.
function isOwn(server) {
  try {
    return new URL(server.url, new URL(place.dataset.document, location)).origin === location.origin;
  } catch {
    return false; // a host with variables: https://{region}.example.com
  }
}

function withOwnServer(text) {
  const description = JSON.parse(text);
  const servers = description.servers || [];
  if (servers.length && !servers.some(isOwn)) {
    description.servers = [{ url: place.dataset.root, description: "This application" }, ...servers];
    return JSON.stringify(description);
  }
  return text;
}

// Names of fields for screen readers, which Swagger UI leaves out; its operations have a link within a button.
function name(field, text) {
  if (text && !field.hasAttribute("aria-label")) field.setAttribute("aria-label", text);
}

function nameFields() {
  place.querySelectorAll("#servers").forEach((each) => name(each, "Server"));
  place.querySelectorAll(".body-param textarea, .opblock-section-request-body textarea").forEach((each) => name(each, "Request body"));
  place.querySelectorAll("tr[data-param-name], tr[data-property-name]").forEach((row) => {
    row.querySelectorAll("input, select, textarea").forEach((each) => name(each, row.dataset.paramName || row.dataset.propertyName));
  });
  place.querySelectorAll(".opblock-summary-control a:not([tabindex])").forEach((each) => each.setAttribute("tabindex", "-1"));
}

new MutationObserver(nameFields).observe(place, { childList: true, subtree: true });

// Light and dark

const root = document.documentElement;
const button = document.getElementById("kick-theme");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let chosen = remembered();

function remembered() {
  try {
    return localStorage.getItem("kick-docs-theme");
  } catch {
    return null; // storage is switched off
  }
}

function paint() {
  const isDark = chosen ? chosen === "dark" : prefersDark.matches;
  root.classList.toggle("kick-dark", isDark);
  root.classList.toggle("kick-light", !isDark);
  button.textContent = isDark ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to ${isDark ? "light" : "dark"} colors`);
  button.hidden = false;
}

button.addEventListener("click", () => {
  chosen = root.classList.contains("kick-dark") ? "light" : "dark";
  try {
    localStorage.setItem("kick-docs-theme", chosen);
  } catch {
    // it holds until the page is closed
  }
  paint();
});
prefersDark.addEventListener("change", paint);
paint();

// The bodies of errors

const errors = document.getElementById("kick-errors");
errors.hidden = false;
errors.addEventListener("click", () => {
  errors.setAttribute("aria-pressed", String(root.classList.toggle("kick-errors")));
});

// The page

window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  showCommonExtensions: true, // the constraints of parameters
  showExtensions: true,
  validatorUrl: null, // the default asks another host
  requestInterceptor: (request) => {
    if (!request.loadSpec) request.userFetch = send;
    return request;
  },
  responseInterceptor: (response) => {
    if (response.url === new URL(place.dataset.document, location).href && response.ok) {
      response.text = withOwnServer(response.text);
    }
    return response;
  },
});
