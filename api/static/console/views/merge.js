// Two customers who are one: whom a visitor is merged into, asked twice, since it cannot be undone.

import { Problem, call, get } from "../../api.js";
import { asked, at, confirmed, count } from "../with.js";

const pathOf = (id) => `/api/customers/${encodeURIComponent(id)}`;

export async function merged(id, told) {
  const wanted = await asked({
    title: `Merge ${id} into whom?`, label: "Id of the customer who stays", verb: "Go on …",
    words: "For a visitor who turns out to be somebody known: all that is kept of them becomes the other's.",
  });
  if (!wanted) return "";
  const known = await found(wanted), into = known?.customerId ?? wanted;
  if (into === id) return `${id} cannot be merged into itself. Name another customer.`;
  const yes = await confirmed({
    title: `Merge ${id} into ${into}?`, verb: "Merge for ever",
    words: `From then on ${id} stands for ${into}, wherever it is named. It cannot be undone.`,
    gone: [...standing(wanted, into, known),
      `${count(told.sessions, "conversation")} and ${count(told.entries, "memory entry", "memory entries")} of ${id} become theirs`,
      "where both have an entry of the same name, the newer stands, and the other is its history"],
  });
  if (!yes) return "";
  const { response } = await call("POST", `${pathOf(into)}/merge`, { body: { from: id } });
  location.hash = at("customers", into);
  return response.status === 202 ? `${id} is being merged into ${into}; it goes on by itself.` : `${id} is merged into ${into}.`;
}

// Who is meant by an id, which may have been merged too; null: nobody that is known.
async function found(id) {
  try {
    return await get(pathOf(id));
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

function standing(wanted, into, known) {
  if (!known) return [`nothing is known of ${into} yet: is the id right?`];
  return [wanted === into ? null : `${wanted} was merged into ${into} before, so ${into} is who it goes to`,
    `${into} has ${count(known.sessions, "conversation")} and ${count(known.entries, "memory entry", "memory entries")}`]
    .filter(Boolean);
}
