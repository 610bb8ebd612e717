// What people and programs destroyed, repeated or decided: who, when, what.

import { page, query as address } from "../../api.js";
import { empty, heading, make, moment, note, pager, requestLink, sessionLink, table } from "../with.js";

const BY = { open: "somebody here, without a key", cli: "the command line" };

export const actions = {
  title: () => "Actions",
  topics: ["actions"],
  load: ({ query }, signal) => page(address("/api/actions", { limit: 50, ...Object.fromEntries(query) }), { signal }),
  draw({ items, next }, place) {
    const rows = items.map((each) => [moment(each.at), each.action.replaceAll("-", " "), subject(each.subject),
      BY[each.by] ?? make("code", { text: each.by })]);
    return [heading("Actions"),
      note("What destroys, repeats or decides something is written down for a year: by the id of the key that was used. "
        + "Customers are named by a pseudonym, so that erasing one leaves no name."),
      items.length ? table("Actions", ["When", "What", "To what", "By the key"],
        rows) : empty(next ? "None on this page." : "Nothing yet.",
        "Deleting, erasing, taking out, approving, replaying: each leaves a line here."),
      pager(next, place)];
  },
};

// An id leads to what it names; that may be gone.
function subject(text = "") {
  const parts = text.split(/((?:ses|req)_\w+)/);
  return parts.filter(Boolean).map((part) => {
    if (part.startsWith("ses_")) return sessionLink(part);
    return part.startsWith("req_") ? requestLink(part) : part;
  });
}
