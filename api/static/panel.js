// The memory panel: what is known of the customer, and what was used for a reply.

import { get, pages, query } from "./api.js";
import { byId, count, make, plain, when } from "./dom.js";
import { budgetBar, filled, legend, whyOf } from "./receipt.js";

const TITLES = { ticket: "Tickets", preference: "Preferences", note: "Notes" };
export async function showEntries(customer) {
  const entries = [];
  for await (const page of pages(query("/api/memory", { customerId: customer, limit: 200 }), 1000)) entries.push(...page);
  const place = byId("entries");
  place.replaceChildren(make("h3", { text: `What is known of ${customer}` }));
  if (!entries.length) {
    place.append(make("p", { class: "small", text: "Nothing yet. A minute after the last word, a conversation is read for what is worth remembering." }));
  }
  for (const scope of Object.keys(TITLES)) {
    const some = entries.filter((entry) => entry.scope === scope);
    if (some.length) place.append(make("h3", { text: TITLES[scope] }), ...some.map(entryOf));
  }
}

function entryOf(entry) {
  const over = entry.status === "resolved";
  const source = entry.provenance ? `said by the ${entry.provenance.role === "user" ? "customer" : "agent"}` : "written through the API";
  const told = [source, when(entry.validFrom)];
  if (entry.status) told.push(entry.status);
  if (entry.history.length) told.push(`${count(entry.history.length, "earlier value")}`);
  if (entry.quarantined) told.push("held back: it reads like an instruction, and is never given to Claude");
  return make("div", { class: `entry${entry.quarantined ? " held" : ""}${over ? " over" : ""}` },
    make("b", { text: entry.key }), ` ${plain(entry.value)}`, make("span", { class: "small", text: told.join(" · ") }));
}

export function clearReceipt() {
  byId("receipt").replaceChildren();
}

export async function showReceipt(receipt) {
  const place = byId("receipt");
  place.replaceChildren(make("h3", { text: "Used for the reply" }), budgetBar(receipt),
    make("p", { class: "small", text: filled(receipt) }), legend(receipt));
  const keys = Object.keys(receipt.memoryVersions);
  if (keys.length) place.append(make("h3", { text: "Memory used" }), make("p", { class: "small", text: keys.join(", ") }));
  await showRecalled(place, receipt.parts.find((part) => part.name === "recall"));
}

async function showRecalled(place, part) {
  if (!part?.included.length) return;
  place.append(make("h3", { text: "Earlier turns used" }));
  for (const name of part.included.slice(0, 12)) {
    const [session, seq] = name.split("/");
    const found = await get(query(`/api/sessions/${encodeURIComponent(session)}/messages`, { limit: 1, cursor: Number(seq) - 1 })).catch(() => []);
    const why = whyOf(part.why?.[name]);
    const [message] = found;
    if (!message) continue;
    place.append(make("div", { class: "entry" }, make("b", { text: message.role === "user" ? "Customer" : "Agent" }), ` ${message.content}`,
      make("span", { class: "small", text: [when(message.at), why].filter(Boolean).join(" · ") })));
  }
}
