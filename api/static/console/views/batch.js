// One batch of summaries: how far it is, what it cost, and what became of each conversation.

import { call, get, page, query as address } from "../../api.js";
import { badge, button, confirmed, count, dollars, facts, heading, make, moment, number, pager, section, sessionLink, table } from "../with.js";
import { progress, selection } from "./batches.js";

export const batch = {
  title: () => "Batch",
  topics: ["batches"],
  async load({ id, query }, signal) {
    const path = `/api/summaries/batch/${encodeURIComponent(id)}`;
    const [told, results] = await Promise.all([get(path, { signal }),
      page(address(`${path}/results`, Object.fromEntries(query)), { signal })]);
    return { told, results };
  },
  draw({ told, results }, place, act) {
    const isOpen = told.status !== "ended" && told.status !== "canceling";
    const states = Object.entries(told.counts).filter(([, many]) => many).map(([state, many]) => `${number(many)} ${state}`).join(", ");
    return [
      heading("Batch", isOpen ? button("Cancel …", () => act(() => canceled(place.id, told)), { class: "destroy" }) : null),
      facts(["State", badge(told.status)], ["Begun", moment(told.createdAt)], ["Of", selection(told.selection)],
        ["Progress", progress(told)], ["Conversations", states],
        ["At half price", cost(told.batched)], ["Asked for beside it", cost(told.direct)],
        ["Failed by cause", Object.entries(told.failures || {}).map(([cause, many]) => `${many} × ${cause}`).join(", ")]),
      section("Conversations", table("Conversations of the batch", ["Conversation", "State", "Cause"],
        results.items.map((each) => [sessionLink(each.sessionId), badge(each.state),
          make("span", { class: "why", text: each.cause || "" })])), pager(results.next, place)),
    ];
  },
};

function cost(told) {
  if (!told?.tokenUsage?.total) return null;
  const price = told.estimatedCost === undefined ? "" : `, about ${dollars(told.estimatedCost)} instead of ${dollars(told.directCost)}`;
  return `${count(told.tokenUsage.total, "token")}${price}`;
}

async function canceled(id, told) {
  const yes = await confirmed({
    title: "Cancel this batch?", verb: "Cancel the batch",
    words: "What has not begun is not summarised. What Claude has answered by then is stored, and paid for.",
    gone: [`${count((told.counts.waiting ?? 0) + (told.counts.submitted ?? 0), "conversation")} not summarised yet`],
  });
  if (!yes) return "";
  await call("POST", `/api/summaries/batch/${encodeURIComponent(id)}/cancel`);
  return "It stops; what was answered by then is kept.";
}
