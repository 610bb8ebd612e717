// Summaries of many conversations at half price: jobs, and how far they are.

import { get, post } from "../../api.js";
import { badge, confirmed, count, customerLink, empty, go, heading, make, moment, number, table } from "../with.js";

const LISTED = 100;

export const batches = {
  title: () => "Summaries",
  topics: ["batches"],
  load: (_place, signal) => get(`/api/summaries/batch?limit=${LISTED}`, { signal }),
  draw(found, _place, act) {
    const rows = found.map((each) => [go(each.batchId.slice(-8), "batches", each.batchId), moment(each.createdAt),
      selection(each.selection), badge(each.status), progress(each)]);
    return [heading("Summaries"), begin(act), found.length
      ? table("Batches", ["Batch", "Begun", "Of", "State", "Progress"], rows)
      : empty("No batches.", "Conversations that grow long are summarised by themselves. A batch summarises many at half "
        + "the price, within a day: for nights, and after an import.")];
  },
};

export const selection = ({ customerId, customer, idleSince, sessionIds }) => (customerId ? customerLink(customerId)
  : customer ? `customer #${customer}`
  : idleSince ? make("span", {}, "silent since ", moment(idleSince)) : count(sessionIds?.length ?? 0, "conversation"));

// How many are through, as a bar with words.
export function progress({ counts, total }) {
  const open = (counts.waiting ?? 0) + (counts.submitted ?? 0), through = total - open;
  const bad = counts.failed ?? 0;
  return [make("progress", { max: Math.max(total, 1), value: through, "aria-label": `${through} of ${total}` }),
    make("span", { class: "small", text: `${number(through)} of ${number(total)}${bad ? `, ${number(bad)} failed` : ""}` })];
}

function begin(act) {
  const hours = make("input", { id: "idle", type: "number", min: 1, max: 8760, value: 24, required: true, "data-key": "idle" });
  const form = make("form", { class: "search" },
    make("label", { for: "idle", text: "Summarise all that were silent for this many hours" }), hours,
    make("button", { type: "submit", text: "Begin …" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    hours.blur();
    act(async () => {
      const yes = await confirmed({
        title: "Begin a batch?", verb: "Begin", harmless: true,
        words: `Every conversation silent for ${hours.value} hours that no summary covers whole is summarised. Claude takes half its price for it.`,
      });
      if (!yes) return "";
      await post("/api/summaries/batch", { idleHours: Number(hours.value) });
      return "Begun.";
    });
  });
  return form;
}
