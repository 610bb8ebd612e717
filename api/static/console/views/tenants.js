// Tenants, for who may see all of them.

import { get } from "../../api.js";
import { at, code, empty, heading, make, note, table } from "../with.js";

export const tenants = {
  title: () => "Tenants",
  topics: [],
  load: (_place, signal) => get("/api/tenants", { signal }),
  draw(found) {
    if (!found.length) {
      return [heading("Tenants"),
        empty("No tenant yet.", "One begins with its first key: ", code("customer-memory keys create --tenant NAME"))];
    }
    const rows = found.map(({ tenant, keys }) => [
      make("a", { class: "who", href: at("customers", undefined, {}, tenant), text: tenant }), String(keys),
    ]);
    return [heading("Tenants"), note("Choose whom to look into. Everything you do there is written down under your key."),
      table("Tenants", ["Tenant", ["Keys that open it", "number"]], rows)];
  },
};
