// The page of an anonymous or logged-in user. All of its data comes from the server.

const byId = (id) => document.getElementById(id);
const view = byId("view");
const otherTabs = new BroadcastChannel("visitor");

let shown = null; // the id of the template that is shown
let asked = 0; // keeps a late response from overwriting a newer one

// Requests to the server

class Problem extends Error {
  constructor({ status, detail, title, errors = [] }) {
    super(detail ?? title);
    this.status = status;
    this.errors = errors;
  }
}

// Send and receive JSON. The browser adds the session cookie; it is HttpOnly, so this script cannot read it.
async function call(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`/auth/${path}`, options);
  } catch {
    throw new Problem({ status: 0, detail: "The server does not answer. Is it running?" });
  }
  const answer = await response.text();
  if (!response.ok) {
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
    throw new Problem(isProblem ? JSON.parse(answer) : { status: response.status, detail: "Something went wrong." });
  }
  return answer ? JSON.parse(answer) : null;
}

// Actions of the user

async function refresh() {
  const mine = ++asked;
  const visitor = await call("GET", "session");
  if (mine !== asked) return;
  if (shown === "member" && !visitor.account) say("You are logged out.");
  show(visitor);
}

async function changed() {
  otherTabs.postMessage("changed");
  await refresh();
}

async function countVisit() {
  await call("POST", "visits");
  await changed();
}

async function enter(form) {
  await call("POST", form.id, Object.fromEntries(new FormData(form)));
  await countVisit();
  view.querySelector("h1").focus();
}

async function logOut() {
  await call("POST", "logout");
  await changed();
  view.querySelector("h1").focus();
}

async function logOutOthers() {
  const { ended } = await call("POST", "logout-others");
  await changed();
  say(ended === 1 ? "One other device is logged out." : `${ended} other devices are logged out.`);
}

// Display. Only `textContent` is set, so user input is never interpreted as HTML.

function show({ account, session }) {
  const name = account ? "member" : "stranger";
  if (shown !== name) {
    view.replaceChildren(byId(name).content.cloneNode(true));
    shown = name;
    byId("log-out").hidden = !account;
    account ? prepareMember() : prepareStranger();
  }
  if (account) showMember(account, session);
}

function forget() {
  asked += 1;
  shown = null;
  view.replaceChildren();
  byId("log-out").hidden = true;
}

function showMember(account, session) {
  fill(view, {
    initials: initialsOf(account.name),
    name: account.name,
    email: account.email,
    joined: dateOf(account.created_at),
    visits: session.values.visits ?? 0,
    hash: session.name,
    begun: timeOf(session.created_at),
    ends: timeOf(session.expires_at),
    devices: session.devices.length,
  });
  byId("values").replaceChildren(...Object.entries(session.values).map(rowOf));
  byId("devices").replaceChildren(...session.devices.map(deviceOf));
  byId("log-out-others").hidden = session.devices.length < 2;
}

function fill(root, values) {
  for (const element of root.querySelectorAll("[data-show]")) {
    if (element.dataset.show in values) element.textContent = values[element.dataset.show];
  }
}

function rowOf([key, value]) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  for (const [cell, text] of [[name, key], [document.createElement("td"), JSON.stringify(value)]]) {
    const code = document.createElement("code");
    code.textContent = text;
    cell.append(code);
    row.append(cell);
  }
  return row;
}

function deviceOf(device) {
  const item = byId("device").content.cloneNode(true);
  fill(item, { device: device.name, seen: [device.ip, timeOf(device.last_seen_at)].filter(Boolean).join(" · ") });
  item.querySelector(".badge").hidden = !device.is_this;
  return item;
}

const dateOf = (text) => new Date(text).toLocaleDateString("en", { dateStyle: "medium" });
const timeOf = (text) => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
const initialsOf = (name) => name.trim().split(/\s+/u).slice(0, 2).map((word) => [...word][0]).join("").toUpperCase();

function say(text) {
  byId("message").textContent = text;
}

// Forms

function prepareStranger() {
  const tabs = [...view.querySelectorAll("[role=tab]")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => choose(tabs, tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      const other = tabs.find((each) => each !== tab);
      choose(tabs, other);
      other.focus();
    });
  }
  for (const form of view.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearErrors(form);
      attempt(form.querySelector("[type=submit]"), () => enter(form), (problem) => showErrors(form, problem));
    });
  }
}

function choose(tabs, chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !isChosen;
  }
}

function clearErrors(form) {
  form.querySelector(".alert").textContent = "";
  for (const input of form.querySelectorAll("input")) {
    input.removeAttribute("aria-invalid");
    byId(`${input.id}-error`).textContent = "";
  }
}

// The server sends the location of each error ("/body/email") and its code; the page has the texts.
function showErrors(form, problem) {
  const rest = [];
  for (const error of problem.errors) {
    const input = form.elements.namedItem(error.location.replace("/body/", ""));
    if (input instanceof HTMLInputElement) {
      input.setAttribute("aria-invalid", "true");
      byId(`${input.id}-error`).textContent = input.dataset[error.code] ?? error.message;
    } else {
      rest.push(error.message);
    }
  }
  const first = form.querySelector("[aria-invalid]");
  form.querySelector(".alert").textContent = first ? rest.join(" ") : problem.message;
  (first ?? form.querySelector("[type=password]")).focus();
}

// Buttons

function prepareMember() {
  byId("count").addEventListener("click", ({ target }) => attempt(target, countVisit));
  byId("log-out-others").addEventListener("click", ({ target }) => attempt(target, logOutOthers));
}

byId("log-out").addEventListener("click", ({ target }) => attempt(target, logOut));

async function attempt(button, action, onProblem = ({ message }) => say(message)) {
  if (button.getAttribute("aria-disabled") === "true") return; // `disabled` would take the focus away
  button.setAttribute("aria-disabled", "true");
  say("");
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401 && shown === "member") {
      await refresh(); // the session has ended elsewhere
    } else {
      onProblem(error);
    }
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

// Loading and leaving the page

async function arrive() {
  await refresh();
  if (shown === "member") await countVisit();
}

const safely = (action) => action().catch((error) => say(error.message));

otherTabs.addEventListener("message", () => safely(refresh));
document.addEventListener("visibilitychange", () => document.hidden || safely(refresh));

// The browser may keep a page for the back button, so clear it when the user leaves.
addEventListener("pagehide", forget);
addEventListener("pageshow", ({ persisted }) => persisted && safely(refresh));

safely(arrive);
