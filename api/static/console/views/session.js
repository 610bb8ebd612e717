// One conversation: its transcript, page by page, its summary with earlier versions, and what can be done with it.

import { Problem, call, get, query as address } from "../../api.js";
import { at, badge, button, confirmed, count, customerLink, details, empty, facts, heading, make, moment, number, plain, section } from "../with.js";

const PAGE = 100;

// Where the page begins that is asked for: `from` says so, `at` names a message; else the last one.
function firstOf(query, messages) {
  const wanted = Number(query.get("from")) || Number(query.get("at")) || messages;
  return Math.floor((Math.max(1, wanted) - 1) / PAGE) * PAGE + 1;
}

const none = (error) => {
  if (error instanceof Problem && error.status === 404) return [];
  throw error;
};

export const session = {
  title: () => "Conversation",
  topics: ["requests", "customers"],
  async load({ id, query }, signal) {
    const path = `/api/sessions/${encodeURIComponent(id)}`;
    const told = await get(path, { signal });
    const first = firstOf(query, told.messageCount);
    const [messages, summaries] = await Promise.all([
      get(address(`${path}/messages`, { limit: PAGE, ...(first > 1 && { cursor: first - 1 }) }), { signal }),
      get(`${path}/summaries`, { signal }).catch(none),
    ]);
    return { told, first, messages, summaries };
  },
  draw({ told, first, messages, summaries }, place, act) {
    const isOver = told.status !== "open", path = `/api/sessions/${encodeURIComponent(place.id)}`;
    const aim = Number(place.query.get("at"));
    const change = (status, words) => act(async () => {
      await call("PATCH", path, { body: { status } });
      return words;
    });
    return [
      heading(told.title || told.conversationId || "Conversation",
        make("a", { class: "button", href: `/#${new URLSearchParams({ customer: told.customerId, session: place.id })}`,
          text: "Open in the chat" }),
        isOver ? button("Reopen", () => change("open", "Open again.")) : button("Close",
          () => change("closed", "Closed: it takes no new messages.")),
        button("Delete …", () => act(() => removed(path, told)), { class: "destroy" })),
      facts(["Customer", customerLink(told.customerId)], ["State", badge(told.status)], ["Began", moment(told.createdAt)],
        ["Last message", moment(told.lastMessageAt)],
        [isOver ? "Over since" : "Over from", moment(told.closedAt || told.expiresAt)], ["Conversation id", told.conversationId],
        ["Tags", told.tags.join(", ")],
        ["Waiting", told.openRequests ? String(told.openRequests) : null], ["Strategy", told.compressionStrategy],
        ["Metadata", Object.keys(told.metadata).length ? make("code",
          { class: "all", text: JSON.stringify(told.metadata) }) : null]),
      make("div", { class: "columns" },
        make("div", {}, section("Transcript", turns(told.messageCount, first, place), ...transcript(messages, aim, path, act),
          turns(told.messageCount, first, place))),
        make("div", {}, section("Summary", ...summary(summaries),
          button("Summarise now", () => act(async () => {
            await call("POST", `${path}/summary`);
            return "Asked for; it is there in a moment.";
          }), { key: "summary" })))),
    ];
  },
};

// Which messages are shown, and the way to the others.
function turns(messages, first, { id }) {
  if (messages <= PAGE) return null;
  const last = Math.floor((messages - 1) / PAGE) * PAGE + 1;
  const to = (text, from, wanted) => (wanted ? make("a", { class: "button", href: at("sessions", id, { from }), text }) : null);
  return make("nav", { class: "pager", "aria-label": "Messages" },
    to("First", 1, first > 1), to("Earlier", first - PAGE, first > 1),
    make("span", { text: `${number(first)}–${number(Math.min(messages, first + PAGE - 1))} of ${number(messages)}` }),
    to("Later", first + PAGE, first < last), to("Last", last, first < last));
}

function transcript(messages, aim, path, act) {
  if (!messages.length) return [empty("Nothing was said yet.", "A message is here once its turn has ended.")];
  return [make("ol", { class: "transcript" }, ...messages.map((message) => make("li", {
    class: `${message.role === "user" ? "customer-said" : "agent-said"}${message.seq === aim ? " aim" : ""}`,
    "data-aim": message.seq === aim || null, id: `m${message.seq}`,
  }, make("p", { class: "meta" }, make("b", { text: message.author || (message.role === "user" ? "Customer" : "Agent") }),
  make("span", { text: `#${message.seq}` }), moment(message.at), ...marks(message),
    message.requestId && message.role === "assistant" ? make("a",
      { href: at("requests", message.requestId), text: "What was used" }) : null,
    message.redacted || !message.seq ? null : button("Take out …", () => act(() => takenOut(path, message)),
      { key: message.seq, class: "link" })),
  make("p", { class: "said", text: message.redacted ? "(taken out)" : message.content }),
  ...(message.attachments || []).map(attachment))))];
}

const marks = (message) => [message.unanswered && "got no reply", message.truncated && "was cut",
  message.redacted && "its text was taken out"]
  .filter(Boolean).map((word) => badge(word, "warn"));

function attachment({ name, contentType, size, url }) {
  const told = [contentType, size === undefined ? null : `${number(size)} bytes`].filter(Boolean).join(", ");
  const isLink = /^https?:\/\//i.test(url || "");
  return make("p", { class: "attachment" }, "Attached: ",
    isLink ? make("a", { href: url, rel: "noopener noreferrer", target: "_blank", text: name }) : make("b", { text: name }),
    told ? ` (${told})` : "");
}

function summary([newest, ...earlier]) {
  if (!newest) return [empty("No summary.", "One is made ahead of time when a conversation grows long. You can ask for it now.")];
  return [...version(newest),
    earlier.length ? details(count(earlier.length, "earlier version"), "versions",
    ...earlier.map((each) => make("div", { class: "earlier" }, ...version(each)))) : null];
}

const CHECKED = { "first-try": "verified at once", repaired: "verified after a second try",
  appended: "verified; what was missing stands below, word for word" };

const version = ({ text, version: numbered, coversFrom, coversThrough, createdAt, model, verified, tokens }) => [
  make("p", { class: "summary", text }),
  make("p", { class: "small" },
    `Version ${numbered}, of messages ${coversFrom}–${coversThrough} · ${count(tokens, "token")} · ${plain(model)} · `,
    moment(createdAt), ` · ${CHECKED[verified] || verified}`),
];

async function removed(path, told) {
  const yes = await confirmed({
    title: "Delete this conversation?", verb: "Delete for ever",
    words: "It cannot be undone. What was remembered from it alone goes too.",
    gone: [`${count(told.messageCount, "message")} of ${told.customerId}`, "its summary and digest, its results and receipts",
      ...(told.openRequests ? [`${count(told.openRequests, "request")} that wait: they fail as deleted`] : [])],
  });
  if (!yes) return "";
  await call("DELETE", path);
  location.hash = at("customers", told.customerId);
  return "Deleted.";
}

async function takenOut(path, message) {
  const text = message.content;
  const yes = await confirmed({
    title: `Take out message ${message.seq}?`, verb: "Take out for ever",
    gone: [text.length > 200 ? `${text.slice(0, 200)}…` : text],
    words: "Its place stays, its text goes for ever. Summary and digest are made anew without it, and what was remembered from it alone goes:",
  });
  if (!yes) return "";
  await call("DELETE", `${path}/messages/${message.seq}`);
  return "Taken out.";
}
