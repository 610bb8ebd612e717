// How the service is: store, broker, Claude, queues, workers, and what waits.

import { get } from "../../api.js";
import { badge, empty, go, heading, make, moment, note, number, section, table } from "../with.js";

const BREAKER = {
  closed: ["asked as usual", "good"], open: ["not asked for now: it failed too often", "bad"],
  "half-open": ["tried carefully again", "wait"], unknown: ["nobody has asked yet", "quiet"],
};

export const status = {
  title: () => "Service",
  topics: ["requests"],
  load: (_place, signal) => get("/api/status", { signal }),
  draw(told) {
    const [words, tone] = BREAKER[told.claude.breaker] || BREAKER.unknown;
    return [heading("Service"),
      make("div", { class: "cards" },
        card("Store", badge(told.store)), card("Broker", badge(told.broker)),
        card("Claude", told.claude.simulated ? badge("simulated", "warn") : badge("connected", "good"), badge(words, tone)),
        card("Open requests", make("b", { class: "figure", text: number(told.openRequests ?? 0) }),
          go("look", "requests", undefined, { status: "queued" })),
        told.dueWork === undefined ? null : card("Conversations at work",
          make("b", { class: "figure", text: number(told.dueWork) }),
          told.overdue ? badge(`${number(told.overdue)} late`, "bad") : badge("none late", "good"))),
      section("Claude's errors of the last day", errors(told.claude.errors)),
      told.queues ? section("Queues", queues(told.queues)) : null,
      told.workers ? section("Workers", workers(told.workers)) : null,
      note(told.workers ? "" : "Queues and workers are shown to operators. ", `Customer Memory ${told.version}.`)];
  },
};

const card = (title, ...children) => make("div", { class: "card" }, make("h2", { text: title }),
  make("p", {}, ...children.flatMap((child) => [child, " "])));

function errors(found) {
  const rows = Object.entries(found || {}).sort(([, one],
    [, other]) => other - one).map(([type, many]) => [make("code", { text: type }), number(many)]);
  return rows.length ? table("Claude's errors", ["Error", ["Times", "number"]], rows) : empty("None.",
    "What Claude refuses or breaks off is tried again; it is counted here.");
}

function queues(found) {
  const most = Math.max(1, ...found.map(({ depth }) => depth));
  return table("Queues", ["Queue", ["Waiting", "number"], ""],
    found.map(({ name, depth }) => [name, number(depth),
    make("meter", { min: 0, max: most, value: depth, "aria-label": `${depth} wait in ${name}` })]));
}

function workers(found) {
  if (!found.length) return empty("No worker was heard of within the last 30 seconds.", "Without one nothing is answered. Does ",
    make("code", { text: "customer-memory doctor" }), " say why?");
  return table("Workers", ["Worker", "Role", "Heard of", "Claude, by model"],
    found.map((each) => [make("code", { text: each.name }), each.role, moment(each.seenAt),
    Object.entries(each.breakers || {}).map(([model, state]) => badge(`${model}: ${state}`, BREAKER[state]?.[1]))]));
}
