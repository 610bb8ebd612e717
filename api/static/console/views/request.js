// One request: how it stands, what Claude was given for it drawn against the budget, and why.

import { Problem, get, query as address } from "../../api.js";
import { PARTS, budgetBar, filled, whyOf } from "../../receipt.js";
import {
  badge, button, customerLink, details, dollars, empty, facts, heading, make, moment, note, number, requestLink, section,
    sessionLink, table,
} from "../with.js";
import { replayButton } from "./replay.js";

const STRATEGIES = { sliding_window: "the newest turns that fit", summarization: "a summary, and the turns after it",
  hybrid: "a summary, the newest turns, recall for the rest" };

const NEAR = 200;

const orNull = (error) => {
  if (error instanceof Problem && error.status === 404) return null;
  throw error;
};

export const request = {
  title: () => "Request",
  topics: ["requests"],
  async load({ id }, signal) {
    const path = `/api/chat/${encodeURIComponent(id)}`;
    const told = await get(path, { signal });
    const of = `/api/sessions/${encodeURIComponent(told.sessionId)}`;
    const [receipt, session] = await Promise.all([get(`${path}/receipt`, { signal }).catch(orNull),
      get(of, { signal }).catch(orNull)]);
    return { told, receipt, customer: session?.customerId, message: session && await messageOf(id, of, session, signal) };
  },
  draw({ told, receipt, customer, message }, place, act) {
    return [
      heading("Request", told.status === "failed" ? replayButton(place.id, act) : null),
      facts(["State", badge(told.status)], ["Customer", customer ? customerLink(customer) : null],
        ["Conversation", sessionLink(told.sessionId, message && { at: message.seq })],
        ["Accepted", moment(told.acceptedAt)], ["Ended", told.finishedAt ? moment(told.finishedAt) : null], ["Model", told.model],
        ["Asked", told.attempts > 1 ? `${told.attempts} times` : null],
        ["Replays", told.replayOf ? requestLink(told.replayOf) : null], ["Tokens", tokens(told.tokenUsage)],
        ["Metadata", told.metadata && Object.keys(told.metadata).length ? make("code",
          { class: "all", text: JSON.stringify(told.metadata) }) : null]),
      told.failure ? make("p", { class: "verdict bad" }, make("b", { text: told.failure.type }), ` ${told.failure.detail}`) : null,
      told.waitingFor && !told.finishedAt ? make("p", { class: "verdict wait" }, `${told.waitingFor} It is tried again `,
        moment(told.dueAt), ".") : null,
      message && !message.redacted ? section("Message", make("p", { class: "summary", text: message.content })) : null,
      told.reply ? section("Reply", make("p", { class: "summary", text: told.reply }),
        told.stopReason === "max_tokens" ? note("It was cut: the reply was longer than its room.") : null) : null,
      receipt ? section("What Claude was given", ...drawn(receipt), sent(place.id)) : section("What Claude was given",
        empty("No receipt.", "There is one once Claude was asked; a request that failed before has none.")),
    ];
  },
};

// What the customer wrote, where it stands among the last messages of its conversation.
async function messageOf(id, of, { messageCount }, signal) {
  const cursor = messageCount - NEAR;
  const found = await get(address(`${of}/messages`, { limit: NEAR, ...(cursor > 0 && { cursor }) }), { signal }).catch(orNull);
  return found?.find((message) => message.requestId === id && message.role === "user");
}

function tokens(used) {
  if (!used) return null;
  return `${number(used.input)} in${used.cacheRead ? ` (${number(used.cacheRead)} cached)` : ""}, ${number(used.output)} out`;
}

function drawn(receipt) {
  const { max, reserve } = receipt.budget;
  const rows = receipt.parts.filter((part) => part.tokens || part.omitted.length).map((part) => [
    [make("span", { class: `swatch p-${part.name}` }), ` ${PARTS[part.name] || part.name}`], number(part.tokens),
    list(part.included, part, receipt), out(part),
  ]);
  const free = max - reserve - receipt.tokens;
  return [
    budgetBar(receipt, { whole: true }),
    note(`${filled(receipt)}; ${number(free)} free, ${number(reserve)} of ${number(max)} kept for the reply. `,
      `Fitted by ${STRATEGIES[receipt.strategy] || receipt.strategy}.`, price(receipt)),
    receipt.gap ? make("p", { class: "verdict wait",
      text: `Messages ${receipt.gap.first}–${receipt.gap.last} are in neither word for word nor summarised.` }) : null,
    receipt.compacted ? note(`The context was begun anew: ${receipt.compacted}.`) : null,
    table("Parts of the context", ["Part", ["Tokens", "number"], "What is in", "What was left out"], rows),
    details("How it was counted", "counting",
      facts(["Model", receipt.model], ["Counter", receipt.counter],
      ["Correction", `${receipt.correction} (English ${receipt.englishCorrection})`],
      ["Instructions", receipt.instructionsVersion ? `version ${receipt.instructionsVersion}` : "the deployment's"],
      ["Hash of the request", make("code", { text: receipt.requestHash })])),
  ];
}

function price({ estimatedCost, cachedTokens }) {
  if (!estimatedCost) return "";
  const cached = cachedTokens ? `, or ${dollars(estimatedCost.cached)} with ${number(cachedTokens)} tokens read from the cache` : "";
  return ` The input costs about ${dollars(estimatedCost.fresh)}${cached}.`;
}

// What went in: references, each leading to what it names where that can be shown.
function list(names, part, receipt) {
  if (part.name === "system") return "the agent's instructions";
  if (part.name === "window") return receipt.window ? `messages ${receipt.window.first}–${receipt.window.last}` : "–";
  if (part.name === "newest") return "the customer's message";
  if (!names.length) return "–";
  const items = names.map((name) => make("li", {}, reference(name, part.name),
    part.why?.[name] ? make("span", { class: "small", text: whyOf(part.why[name]) }) : null));
  return names.length > 3 ? details(`${names.length} things`, `in ${part.name}`,
    make("ul", { class: "plain" }, ...items)) : make("ul", { class: "plain" }, ...items);
}

function reference(name, part) {
  const [session, seq] = name.split("/");
  if (!session.startsWith("ses_")) return name;
  if (part !== "recall") return sessionLink(session);
  return make("span", {}, sessionLink(session, { at: seq }), ` message ${seq}`);
}

function out(part) {
  if (!part.omitted.length) return part.reason || "nothing";
  const more = part.omitted.length === 20 ? " or more" : "";
  return [part.reason ? `${part.reason}. ` : "", details(`${part.omitted.length}${more} left out`, `out ${part.name}`,
    make("ul", { class: "plain" }, ...part.omitted.map((name) => make("li", {}, reference(name, part.name)))))];
}

// The very words, asked for when somebody wants to see them.
function sent(id) {
  const place = make("div");
  const show = button("Show what Claude was sent", async () => {
    show.disabled = true;
    try {
      const { system, messages } = await get(`/api/chat/${encodeURIComponent(id)}/context`);
      place.replaceChildren(make("h3", { text: "Instructions" }), make("pre", { text: plainText(system) }),
        ...messages.flatMap(({ role, texts }) => [make("h3", { text: role === "user" ? "User turn" : "Assistant turn" }),
          ...texts.map((text) => make("pre", { text }))]));
    } catch (error) {
      show.disabled = false;
      place.replaceChildren(make("p",
        { class: "note", text: error instanceof Problem ? error.message : "The service cannot be reached." }));
    }
  });
  return make("div", { class: "sent" }, show, place);
}

const plainText = (system) => (Array.isArray(system) ? system.map((each) => each.text ?? each).join("\n") : String(system));
