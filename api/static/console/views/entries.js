// What is remembered of a customer: where each came from, what it was before, and what waits for a person to decide.

import { call, post, query as address } from "../../api.js";
import { badge, button, confirmed, count, details, empty, make, moment, plain, section, sessionLink } from "../with.js";

const TITLES = { ticket: "Tickets", preference: "Preferences", note: "Notes" };

// What reads like an instruction, and counts only when somebody says so.
export function heldBack(customer, entries, act) {
  if (!entries.length) return [];
  return [section("Held back",
    make("p", { class: "note",
    text: "These read like instructions to the agent. Claude is never given them, unless you approve them." }),
    ...entries.map((entry) => make("article", { class: "entry held" }, ...told(entry), make("div", { class: "actions" },
      button("Approve …", () => act(() => approved(customer, entry)), { key: entry.key }),
      button("Discard …", () => act(() => deleted(customer, entry, "Discard")), { key: entry.key })))))];
}

export function remembered(customer, entries, act) {
  if (!entries.length) {
    return [empty("Nothing yet.",
      "A minute after the last word a conversation is read for what is worth remembering; programs write entries through the API.")];
  }
  return Object.keys(TITLES).filter((scope) => entries.some((entry) => entry.scope === scope)).map((scope) => make("div", {},
    make("h3", { text: TITLES[scope] }),
    ...entries.filter((entry) => entry.scope === scope).map((entry) => make("article",
      { class: `entry${entry.status === "resolved" ? " over" : ""}` },
      ...told(entry, button("Delete …", () => act(() => deleted(customer, entry, "Delete")),
        { key: entry.key, class: "link" }))))));
}

function told(entry, ...more) {
  return [make("p", {}, make("b", { text: entry.key.replace(/^quarantine\//, "") }), " ", plain(entry.value)),
    make("div", { class: "source" }, make("span", {}, ...source(entry)), entry.status ? badge(entry.status) : null, ...more),
    entry.provenance?.quote && entry.provenance.quote !== entry.value ? make("blockquote", { text: entry.provenance.quote }) : null,
    entry.history.length ? history(entry) : null];
}

function source({ provenance, source: by, validFrom, expiresAt, confidence }) {
  const until = expiresAt ? [", until ", moment(expiresAt)] : [];
  if (!provenance) return ["Written through the API, ", moment(validFrom), ...until];
  const said = [`Said by the ${provenance.role === "user" ? "customer" : "agent"} in `,
    sessionLink(provenance.sessionId, { at: provenance.seq }), ", "];
  if (by === "api") return [...said, "approved ", moment(validFrom), ...until];
  return [...said, moment(validFrom), ...until, confidence === null ? "" : `, ${Math.round(100 * confidence)} % sure`];
}

const history = (entry) => details(count(entry.history.length, "earlier value"), `history ${entry.key}`,
  make("ol", { class: "history" },
  ...entry.history.map((was) => make("li", {}, plain(was.value),
    make("span", { class: "small" }, moment(was.validFrom), " to ", moment(was.validUntil),
    was.provenance ? " · from " : " · written through the API",
    was.provenance ? sessionLink(was.provenance.sessionId, { at: was.provenance.seq }) : null)))));

async function approved(customer, entry) {
  const yes = await confirmed({
    title: "Approve this entry?", verb: "Approve", harmless: true, gone: [plain(entry.value)],
    words: `From now on Claude is given it in every conversation with ${customer}, as if you had written it:`,
  });
  if (!yes) return "";
  await post("/api/memory/approve", { customerId: customer, key: entry.key });
  return "Approved: it counts from now on.";
}

async function deleted(customer, entry, verb) {
  const yes = await confirmed({
    title: `${verb} this entry?`, verb,
    words: "It is removed with its history, and what was said before now is not remembered again:",
    gone: [`${entry.key}: ${plain(entry.value)}`],
  });
  if (!yes) return "";
  await call("DELETE", address("/api/memory", { customerId: customer, key: entry.key }));
  return verb === "Discard" ? "Discarded." : "Deleted.";
}
