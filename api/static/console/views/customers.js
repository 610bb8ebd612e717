// Customers, last active first, and a search by id.

import { page, query as address } from "../../api.js";
import { at, code, customerLink, empty, heading, make, moment, number, pager, table } from "../with.js";

export const customers = {
  title: () => "Customers",
  topics: ["customers"],
  load({ query }, signal) {
    return page(address("/api/customers", { limit: 50, ...Object.fromEntries(query) }), { signal });
  },
  draw({ items, next }, place) {
    const asked = place.query.get("query");
    const rows = items.map((each) => [customerLink(each.customerId), moment(each.lastActivityAt), number(each.sessions),
      number(each.entries)]);
    const listed = items.length
      ? table("Customers", ["Customer", "Last active", ["Conversations", "number"], ["Memory entries", "number"]], rows)
      : nothing(asked, next);
    return [heading("Customers"), search(asked), listed, pager(next, place)];
  },
};

function search(asked) {
  const box = make("input",
    { id: "query", type: "search", name: "query", value: asked, maxlength: 256, placeholder: "a part of the id, or ses_…, req_…",
    autocomplete: "off", spellcheck: "false", "data-key": "query" });
  const form = make("form", { class: "search", role: "search" }, make("label", { for: "query", text: "Find a customer" }), box,
    make("button", { type: "submit", text: "Find" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    box.blur();
    location.hash = placeOf(box.value.trim());
  });
  return form;
}

// An id of a conversation or a request leads straight to it.
function placeOf(asked) {
  if (/^ses_\w+$/.test(asked)) return at("sessions", asked);
  return /^req_\w+$/.test(asked) ? at("requests", asked) : at("customers", undefined, { query: asked });
}

function nothing(asked, next) {
  if (next) return empty("None on this page.", "The search goes on, page by page.");
  if (asked) return empty(`No customer's id contains “${asked}”.`, "Ids are searched, whatever their case; what was said is not.");
  return empty("No customers yet.", "A customer is here once they have written: open the ",
    make("a", { href: "/", text: "chat page" }),
    ", or load an invented shop's customers with ", code("make demo"), ".");
}
