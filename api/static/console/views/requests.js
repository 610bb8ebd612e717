// Chat requests: what waits, what runs, what failed and why; a failed one can be asked again.

import { page, query as address } from "../../api.js";
import { badge, customerLink, empty, heading, make, moment, pager, requestLink, table, tabs } from "../with.js";
import { replayButton } from "./replay.js";

const CHOICES = [[null, "All"], ["queued", "Queued"], ["running", "Running"], ["failed", "Failed"], ["succeeded", "Succeeded"]];
const NOTHING = {
  queued: "Nothing waits.", running: "Nothing runs just now.", failed: "Nothing has failed.",
  succeeded: "Nothing was answered yet.",
};

export const requests = {
  title: () => "Requests",
  topics: ["requests"],
  load: ({ query }, signal) => page(address("/api/requests", { limit: 50, ...Object.fromEntries(query) }), { signal }),
  draw({ items, next }, place, act) {
    const now = place.query.get("status");
    const rows = items.map((each) => [
      requestLink(each.requestId), customerLink(each.customerId), moment(each.acceptedAt), badge(each.status),
      howItWent(each), each.status === "failed" ? replayButton(each.requestId, act) : "",
    ]);
    const listed = items.length
      ? table("Requests", ["Request", "Customer", "Accepted", "State", "How it went", ""], rows)
      : empty(next ? "None on this page." : NOTHING[now] || "No requests yet.",
        "Each message that a customer writes is a request. They are listed for a while after they have ended.");
    return [heading("Requests"), tabs("Requests by state", CHOICES, now, place), listed, pager(next, place)];
  },
};

function howItWent({ failure, waitingFor, dueAt, attempts, replayOf, acceptedAt, finishedAt, model, status }) {
  const told = [];
  const took = finishedAt ? `${((new Date(finishedAt) - new Date(acceptedAt)) / 1000).toFixed(1)} s` : "";
  if (status === "succeeded") told.push(make("span", { class: "small", text: [`in ${took}`, model].filter(Boolean).join(" · ") }));
  if (failure) told.push(make("span", { class: "why", text: `${failure.type}: ${failure.detail}` }));
  else if (waitingFor) told.push(make("span", { class: "why" }, `${waitingFor} Tried again `, moment(dueAt)));
  if (attempts > 1) told.push(make("span", { class: "small", text: `asked ${attempts} times` }));
  if (replayOf) told.push(make("span", { class: "small" }, "replays ", requestLink(replayOf)));
  return told;
}
