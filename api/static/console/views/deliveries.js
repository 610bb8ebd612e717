// Where results were posted, what came of each attempt, and posting them again.

import { call, page, post, query as address } from "../../api.js";
import { badge, button, confirmed, count, details, empty, heading, make, moment, pager, requestLink, table, tabs } from "../with.js";

const CHOICES = [[null, "All"], ["pending", "Pending"], ["delivered", "Delivered"], ["dead", "Given up"], ["withheld", "Withheld"]];
const A_MONTH_MS = 30 * 24 * 3_600_000;

export const deliveries = {
  title: () => "Deliveries",
  topics: ["deliveries"],
  load: ({ query }, signal) => page(address("/api/deliveries", { limit: 50, ...Object.fromEntries(query) }), { signal }),
  draw({ items, next }, place, act) {
    const now = place.query.get("status");
    const rows = items.map((each) => [
      requestLink(each.requestId), target(each), moment(each.createdAt),
      [badge(each.status), each.status === "pending" && each.dueAt ? make("span", { class: "small" }, "next ",
        moment(each.dueAt)) : null],
      attempts(each), button(each.status === "pending" ? "Try now …" : "Post again …", () => act(() => again(each)),
        { key: each.id }),
    ]);
    const listed = items.length
      ? table("Deliveries", ["Request", "To", "Began", "State", "Attempts", ""], rows)
      : empty(next ? "None on this page." : "No deliveries.", "Results are posted where a request's ",
        make("code", { text: "callbackUrl" }),
        " says, to the tenant's own address, or into the helpdesk that a message came from.");
    return [heading("Deliveries", now === "dead" && items.length ? button("Post all again …", () => act(allAgain)) : null),
      tabs("Deliveries by state", CHOICES, now, place), listed, pager(next, place)];
  },
};

const whereTo = ({ url, hookId }) => url || (hookId ? `the helpdesk of hook ${hookId}` : "the tenant's address");
const target = ({ type, ...each }) => [make("span", { class: "url", text: whereTo(each) }),
  make("span", { class: "small", text: type })];

function attempts({ attempts: made, tries, reason, id, done, missed }) {
  const words = [missed ? make("strong", { class: "why", text: "A person was to be called, and was not." }) : null,
    reason ? make("span", { class: "why", text: reason }) : null,
    done?.length ? make("span", { class: "small", text: `done: ${done.join(", ")}` }) : null];
  if (!made?.length) return [...words, tries ? count(tries, "attempt") : "none yet"];
  return [...words, details(count(tries || made.length, "attempt"), `tries ${id}`,
    make("ul", { class: "plain" },
    ...made.map((each) => make("li", {}, moment(each.at), ` ${each.status || ""} ${each.error || ""}`,
    each.durationMs === undefined ? "" : make("span", { class: "small", text: `${Math.round(each.durationMs)} ms` })))))];
}

async function again(delivery) {
  const yes = await confirmed({
    title: "Post this again?", verb: "Post again", harmless: true, gone: [whereTo(delivery)],
    words: "It is posted at once under the same id, so that a receiver that has it already can tell:",
  });
  if (!yes) return "";
  await call("POST", `/api/deliveries/${encodeURIComponent(delivery.id)}/replay`);
  return "Begun anew.";
}

async function allAgain() {
  const yes = await confirmed({ title: "Post again all that was given up?", verb: "Post all again", harmless: true,
    words: "Everything of the last 30 days that was given up is posted anew, each under its own id." });
  if (!yes) return "";
  const since = new Date(Date.now() - A_MONTH_MS).toISOString();
  let replayed = 0, cursor;
  do {
    const told = await post("/api/deliveries/replay", { since, status: "dead", ...(cursor && { cursor }) });
    replayed += told.replayed;
    ({ cursor } = told);
  } while (cursor);
  return `${count(replayed, "delivery", "deliveries")} begun anew.`;
}
