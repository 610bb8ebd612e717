// One customer: what was said when and what came of it, and what is remembered of it now.

import { blob, call, get, page, query as address } from "../../api.js";
import { at, button, confirmed, count, customerLink, empty, facts, heading, make, moment, number, pager, section } from "../with.js";
import { heldBack, remembered } from "./entries.js";
import { merged } from "./merge.js";
import { conversation } from "./timeline.js";

const SESSIONS = 50;
const ENTRIES = 100;
const DIGEST_PAGES = 5;
const HELD_PAGES = 50; // of 200: as many entries as a customer may have
const LAST_LINE = 4096; // bytes at most

export const customer = {
  title: ({ id }) => id,
  topics: ["customers", "requests"],
  async load({ id, query }, signal) {
    const from = (key) => (query.get(key) ? { cursor: query.get(key) } : {});
    const [told, sessions, entries] = await Promise.all([
      get(`/api/customers/${encodeURIComponent(id)}`, { signal }),
      page(address("/api/sessions", { customerId: id, limit: SESSIONS, opening: true, ...from("cursor") }), { signal }),
      page(address("/api/memory", { customerId: id, limit: ENTRIES, ...from("entries") }), { signal }),
    ]);
    const [digests, held] = await Promise.all([digestsOf(id, sessions.items, signal), heldOf(id, told.quarantined, signal)]);
    return { told, sessions, entries, digests, held };
  },
  draw({ told, sessions, entries, digests, held }, place, act) {
    const { customerId: id } = told; // another one, where who was asked for was merged
    const learned = Map.groupBy(entries.items.filter((entry) => entry.provenance && !entry.quarantined),
      (entry) => entry.provenance.sessionId);
    const listed = sessions.items.length
      ? make("ol", { class: "timeline" },
        ...sessions.items.map((each) => make("li", {}, conversation(each, digests[each.id], learned.get(each.id)))))
      : empty("No conversations.", "They stay until their retention is over, or until they are deleted.");
    return [
      heading(id, make("a", { class: "button", href: `/#${new URLSearchParams({ customer: id })}`, text: "Chat as this customer" }),
        button("Export", () => act(() => exported(id))),
        button("Merge into …", () => act(() => merged(id, told))),
        button("Erase …", () => act(() => erased(id, told)), { class: "destroy" })),
      id === place.id ? null : make("p", { class: "verdict wait" }, `${place.id} was merged into `,
        customerLink(id), ": what is kept of both is here."),
      facts(["Last active", moment(told.lastActivityAt)], ["Conversations", number(told.sessions)],
        ["Memory entries", number(told.entries)],
        ["In the actions", told.pseudonym && make("code", { text: told.pseudonym })]),
      make("div", { class: "columns" },
        make("div", {}, section("Conversations", listed, pager(sessions.next, place, "Pages of conversations"))),
        make("div", {}, ...heldBack(id, held, act),
          section("Memory", ...remembered(id, entries.items.filter((entry) => !entry.quarantined), act),
          pager(entries.next, place, "Pages of memory", "entries")))),
    ];
  },
};

// The digests of the sessions of this page, as far as a few pages of digests hold them.
async function digestsOf(id, sessions, signal) {
  const found = {}, wanted = new Set(sessions.filter((each) => each.status !== "open").map((each) => each.id));
  let next = address(`/api/customers/${encodeURIComponent(id)}/digests`, { limit: 200 });
  for (let read = 0; next && wanted.size && read < DIGEST_PAGES; read += 1) {
    const told = await page(next, { signal });
    for (const digest of told.items) if (wanted.delete(digest.sessionId)) found[digest.sessionId] = digest;
    next = told.next;
  }
  return found;
}

// What is held back stands at the end of the list, however long that is.
async function heldOf(id, many, signal) {
  const found = [];
  let next = many ? address("/api/memory", { customerId: id, limit: 200 }) : null;
  for (let read = 0; next && found.length < many && read < HELD_PAGES; read += 1) {
    const told = await page(next, { signal });
    found.push(...told.items.filter((entry) => entry.quarantined));
    next = told.next;
  }
  return found;
}

async function exported(id) {
  const found = await blob(`/api/customers/${encodeURIComponent(id)}/export`);
  if (!(await found.slice(-LAST_LINE).text()).includes('{"type":"end"')) return "The export broke off; nothing was saved. Try again.";
  const link = make("a", { href: URL.createObjectURL(found),
    download: `${id.replace(/[^\w.-]+/g, "_")}.ndjson` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return "Exported, as JSON Lines. Its last line tells how many there are of each.";
}

async function erased(id, told) {
  const yes = await confirmed({
    title: `Erase ${id}?`, verb: "Erase for ever", type: id,
    words: "All that is kept of this customer is removed, here and for ever. Requests that wait fail as deleted. It cannot be undone.",
    gone: [`${count(told.sessions, "conversation")}, with messages, summaries, digests, receipts`,
      `${count(told.entries, "memory entry", "memory entries")}, with their history`,
      "what was learned for recall, and what was still to be announced"],
  });
  if (!yes) return "";
  const { response } = await call("DELETE", `/api/customers/${encodeURIComponent(id)}`);
  location.hash = at("customers");
  return response.status === 202 ? `${id} is being erased; nothing of them can be read any more.` : `${id} is erased.`;
}
