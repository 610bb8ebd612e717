// A conversation in a customer's timeline: when, how it ended, what is left of it.

import { at, badge, count, make, moment, plain, when } from "../with.js";

const OUTCOMES = { resolved: "resolved", unresolved: "not resolved", handed_over: "handed over" };
const SIMULATED = /^\[simulated\] /;

export function conversation(session, digest, learned = []) {
  const title = session.title || session.opening || session.conversationId || `Conversation of ${when(session.createdAt)}`;
  return make("article", { class: "conversation" },
    make("h3", {}, make("a", { href: at("sessions", session.id), text: title })),
    make("p", { class: "meta" }, moment(session.createdAt), ` · ${count(session.messageCount, "message")} `, badge(session.status),
      session.openRequests ? badge(`${session.openRequests} waiting`, "wait") : null,
      ...session.tags.map((tag) => make("span", { class: "tag", text: tag }))),
    digest ? digestOf(digest) : null,
    learned.length ? make("p", { class: "learned" }, "Remembered from it: ",
      ...learned.map((entry) => make("span", { class: "tag", title: plain(entry.value), text: entry.key }))) : null);
}

function digestOf(digest) {
  const lines = [
    ...digest.openPoints.map((text) => ["Still open", text]), ...digest.promises.map((text) => ["Promised", text]),
    ...(digest.identifiers.length ? [["Names", digest.identifiers.join(", ")]] : []),
  ];
  return make("div", { class: "digest" },
    make("p", {}, digest.topic.replace(SIMULATED, ""),
      OUTCOMES[digest.outcome] ? badge(OUTCOMES[digest.outcome], digest.outcome === "resolved" ? "good" : "wait") : null),
    lines.length ? make("ul", {}, ...lines.map(([name, text]) => make("li", {}, make("b", { text: `${name}: ` }), text))) : null);
}
