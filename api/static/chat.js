// The chat page: who is the customer, which conversation is open, and what is said.

import { Problem, actFor, events, get, pages, post, query, signOut, whoAmI } from "./api.js";
import { byId, count, make, when } from "./dom.js";
import { known, meet, tenant, waiting } from "./kept.js";
import { clearReceipt, showEntries, showReceipt } from "./panel.js";
import { door } from "./signing-in.js";
import * as talk from "./talk.js";

const LONGEST_TRANSCRIPT = 2000;
const MEMORY_AGAIN_MS = 75_000; // a conversation is read a minute after its last word

const open = { customer: null, session: null, operator: false, following: null, accepting: Promise.resolve() };

const notice = (words, quiet = false) => {
  byId("notice").textContent = words;
  byId("notice").classList.toggle("plain", quiet);
};

// Runs what may fail, and tells in words when it did.
async function trying(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return entrance.ask();
    notice(error instanceof Problem ? error.message : "The service cannot be reached. Is it running?");
    return undefined;
  }
}

// Where the console shows what is open here.
function consoleOf({ customer, session, operator }) {
  const named = operator ? `@${encodeURIComponent(tenant.last())}/` : "";
  if (session) return `/console#/${named}sessions/${encodeURIComponent(session)}`;
  return customer ? `/console#/${named}customers/${encodeURIComponent(customer)}` : "/console";
}

// What is open stands in the address, so that a reload finds it again.
function remember() {
  const place = new URLSearchParams();
  if (open.customer) place.set("customer", open.customer);
  if (open.session) place.set("session", open.session);
  history.replaceState(null, "", `#${place}`);
  byId("to-console").href = consoleOf(open);
}

function listCustomers() {
  byId("customers").replaceChildren(...known().map((name) => make("option", { value: name })));
}

async function openCustomer(customer, session = null) {
  open.following?.abort();
  Object.assign(open, { customer, session });
  byId("customer").value = customer;
  meet(customer);
  listCustomers();
  clearReceipt();
  remember();
  await Promise.all([trying(listSessions), trying(() => showEntries(customer)), openSession(session)]);
}

async function listSessions() {
  const { customer } = open;
  const sessions = [];
  for await (const page of pages(query("/api/sessions", { customerId: customer, limit: 50, opening: true }), 500)) sessions.push(...page);
  if (customer !== open.customer) return;
  byId("session-list").replaceChildren(...sessions.map(sessionItem));
}

function sessionItem(session) {
  const name = session.title || session.opening || session.conversationId, last = when(session.lastMessageAt || session.createdAt);
  const isNew = session.messageCount === 0 && session.openRequests > 0;
  const told = [...(name ? [last] : []), isNew ? "waits for its reply" : count(session.messageCount, "message")];
  if (session.status !== "open") told.push(session.status === "closed" ? "closed" : "over");
  const button = make("button", { type: "button", "aria-current": String(session.id === open.session), onclick: () => openSession(session.id) },
    make("span", { class: "name", text: name || last }), make("small", { text: told.join(" · ") }));
  button.dataset.session = session.id;
  return make("li", {}, button);
}

function markSession() {
  for (const button of byId("session-list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.session === open.session));
  }
}

async function openSession(session) {
  open.following?.abort();
  open.following = new AbortController();
  open.session = session;
  showPanel(null);
  notice("");
  byId("announce").textContent = "";
  remember();
  markSession();
  if (!session) {
    talk.empty(open.customer ? `A new conversation with ${open.customer}. What is known of this customer goes with it.` : "Name a customer to begin.");
    byId("message").focus();
    return;
  }
  await trying(async () => {
    const stored = [];
    talk.clear();
    for await (const page of pages(query(`/api/sessions/${encodeURIComponent(session)}/messages`, { limit: 200 }), LONGEST_TRANSCRIPT)) {
      if (session !== open.session) return;
      for (const message of page) showStored(message);
      stored.push(...page.map((message) => message.requestId));
    }
    const request = waiting.of(session);
    // A message is stored with its reply: until then this browser alone has it to show.
    if (request && !stored.includes(request.id)) talk.show({ role: "user", content: request.text });
    talk.toEnd();
    if (request) await follow(request);
  });
}

function showStored(message) {
  const content = message.redacted ? "(taken out)" : message.content;
  const shown = talk.show({ ...message, content });
  if (message.role === "assistant" && message.requestId) {
    shown.meta.append(" · ", talk.whyButton(() => showUsed(message.requestId)));
  }
  if (message.unanswered) shown.meta.append(" · got no reply");
}

const showUsed = (requestId) => trying(async () => {
  await showReceipt(await get(`/api/chat/${requestId}/receipt`));
  if (byId("show-memory").offsetParent) showPanel("memory");
  byId("receipt").scrollIntoView({ block: "nearest" });
});

async function send(text) {
  if (!open.customer) {
    notice("Name a customer first.");
    byId("customer").focus();
    return;
  }
  // One after the other: the first message of a conversation tells which one the next belongs to.
  const accepting = open.accepting.then(() => accept(text));
  open.accepting = accepting;
  const request = await accepting;
  if (request) await trying(() => follow(request));
}

// Hands a message in; returns the request to follow, where its conversation is still the open one.
async function accept(text) {
  notice("");
  const { customer, session } = open;
  const shown = talk.show({ role: "user", content: text, at: new Date() });
  const body = { customerId: customer, message: text, ...(session ? { sessionId: session } : {}) };
  const accepted = await trying(() => post("/api/chat", body, () => notice("The connection is gone; trying again …", true)));
  if (!accepted) {
    shown.element.remove();
    byId("message").value ||= text;
    return null;
  }
  notice("");
  const request = { id: accepted.requestId, text };
  waiting.note(accepted.sessionId, request);
  if (customer !== open.customer || session !== open.session) return null;
  open.session = accepted.sessionId;
  remember();
  if (!session) trying(listSessions);
  return request;
}

// Shows a reply while it is written, and what it took when it is there; of every request, until another conversation
// is opened: what is said of one customer is not read out in the next one's.
async function follow(request) {
  const { session, following: stop } = open;
  const reply = talk.writing();
  const lost = () => notice("The connection is gone; the reply goes on when it is back …", true);
  try {
    for await (const { event, data } of events(request.id, { signal: stop.signal, onLost: lost, onBack: () => notice("") })) {
      if (event === "delta") reply.add(data.text);
      else if (event === "reset") reply.reset();
      else if (event === "result") await answered(session, request, data, reply);
      else if (event === "failed") {
        waiting.note(session, null);
        reply.failed(data.failure?.detail || data.detail || "The request failed.", () => send(request.text));
      }
    }
  } catch (error) {
    reply.remove();
    if (error instanceof Problem) waiting.note(session, null);
    throw error;
  }
  if (stop.signal.aborted) reply.remove();
}

async function answered(session, request, status, reply) {
  waiting.note(session, null);
  notice("");
  reply.done(status, () => showUsed(request.id));
  const receipt = await get(`/api/chat/${request.id}/receipt`);
  if (session !== open.session) return;
  reply.price(receipt, status.tokenUsage);
  const { customer } = open;
  await Promise.all([showReceipt(receipt), listSessions(), showEntries(customer)]);
  setTimeout(() => customer === open.customer && trying(() => showEntries(customer)), MEMORY_AGAIN_MS);
}

function showPanel(name) {
  for (const panel of ["sessions", "memory"]) {
    const isOpen = panel === name;
    byId(panel).classList.toggle("open", isOpen);
    byId(`show-${panel}`).setAttribute("aria-expanded", String(isOpen));
  }
}

async function enter(told) {
  byId("simulated").hidden = !told.simulated;
  byId("sign-out").hidden = !told.signedIn;
  open.operator = told.role === "operator";
  if (open.operator) actFor(tenant.last());
  if (!told.open && !told.signedIn) return entrance.ask();
  const place = new URLSearchParams(location.hash.slice(1));
  listCustomers();
  const customer = place.get("customer");
  if (customer) await openCustomer(customer, place.get("session"));
  else await openSession(null);
  if (!customer) byId("customer").focus();
  return undefined;
}

function listen() {
  byId("customer-form").addEventListener("submit", (event) => {
    event.preventDefault();
    openCustomer(byId("customer").value.trim());
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    const box = byId("message"), text = box.value.trim();
    if (!text) return;
    box.value = "";
    send(text);
  });
  byId("message").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("composer").requestSubmit();
  });
  byId("new-session").addEventListener("click", () => openSession(null));
  for (const panel of ["sessions", "memory"]) {
    byId(`show-${panel}`).addEventListener("click", () => showPanel(byId(panel).classList.contains("open") ? null : panel));
  }
  byId("sign-out").addEventListener("click", () => trying(async () => {
    await signOut();
    location.reload();
  }));
}

const entrance = door(enter, { names: true });
listen();
trying(async () => enter(await whoAmI()));
