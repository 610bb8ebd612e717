// What the views are put together from.

import { make, when } from "../dom.js";
import { at } from "./place.js";

// A heading that takes the focus when its page is opened, with what can be done there beside it.
export function heading(title, ...actions) {
  return make("header", { class: "heading" }, make("h1", { text: title, tabindex: "-1" }),
    actions.length ? make("div", { class: "actions" }, ...actions) : null);
}

export const section = (title, ...children) => make("section", { class: "block", "aria-label": title },
  make("h2", { text: title }), ...children);

export const note = (...words) => make("p", { class: "note" }, ...words);

// What stands where there is nothing yet: what will be here, and how it comes to be.
export function empty(title, ...words) {
  return make("div", { class: "nothing" }, make("p", { class: "title", text: title }), make("p", {}, ...words));
}

export const code = (text) => make("code", { text });

// Rows under heads. A head is a word, or [word, class]; a cell a node or a text. On a phone each row is a card.
export function table(caption, heads, rows) {
  const columns = heads.map((head) => (Array.isArray(head) ? { word: head[0], kind: head[1] } : { word: head }));
  const head = make("tr", { role: "row" },
    ...columns.map(({ word, kind }) => make("th", { role: "columnheader", scope: "col", class: kind, text: word })));
  return make("table", { role: "table", class: "table" }, make("caption", { class: "hidden", text: caption }),
    make("thead", { role: "rowgroup" }, head),
    make("tbody", { role: "rowgroup" }, ...rows.map((cells) => make("tr", { role: "row" }, ...cells.map((cell, index) => {
      const { word, kind } = columns[index];
      const within = [cell ?? ""].flat().filter((each) => each !== null && each !== "");
      return make("td", { role: "cell", class: kind, "data-label": word }, within.length ? make("div", {}, ...within) : null);
    })))));
}

export const moment = (text, otherwise = "–") => (text
  ? make("time", { datetime: text, title: new Date(text).toLocaleString(), text: when(text) })
  : otherwise);

const TONES = {
  open: "good", succeeded: "good", delivered: "good", ok: "good", done: "good", ended: "quiet", closed: "quiet", withheld: "quiet",
  expired: "quiet",
  resolved: "quiet", queued: "wait", running: "wait", pending: "wait", collecting: "wait", canceling: "wait", "half-open": "wait",
  failed: "bad", dead: "bad", away: "bad", quarantined: "warn", unknown: "quiet", unanswered: "bad",
};

export const badge = (word, tone = TONES[word] || "quiet") => make("span", { class: `badge ${tone}`, text: word });

// An id is long: its end tells it from others, its title has all of it.
const short = (id) => (id.length > 16 ? `${id.slice(0, id.indexOf("_") + 1)}…${id.slice(-6)}` : id);
export const go = (text, name, id, query) => make("a", { href: at(name, id, query), text });
export const sessionLink = (id, query) => make("a", { href: at("sessions", id, query), class: "id", title: id, text: short(id) });
export const requestLink = (id) => make("a", { href: at("requests", id), class: "id", title: id, text: short(id) });
export const customerLink = (id) => make("a", { href: at("customers", id), class: "who", text: id });

export const button = (text, onclick, more = {}) => make("button",
  { type: "button", text, onclick, "data-key": `${text} ${more.key ?? ""}`, ...more, key: null });

export const facts = (...pairs) => make("dl", { class: "facts" },
  ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", {}, ...[value].flat()))));

// Leads to the pages of a listing, whose place stands in the address under `key`. A page may be empty and yet have one after it.
export function pager(next, { name, id, query }, label = "Pages", key = "cursor") {
  const cursor = next && new URL(next, location.href).searchParams.get("cursor");
  const others = Object.fromEntries(query);
  delete others[key];
  const links = [
    query.get(key) && make("a", { class: "button", href: at(name, id, others), text: "First page" }),
    cursor && make("a", { class: "button", rel: "next", href: at(name, id, { ...others, [key]: cursor }), text: "Next page" }),
  ].filter(Boolean);
  return links.length ? make("nav", { class: "pager", "aria-label": label }, ...links) : null;
}

// Views of one listing side by side; `now` is the one that is open.
export const tabs = (label, choices, now, { name, id }, key = "status") => make("nav", { class: "tabs", "aria-label": label },
  ...choices.map(([value, word]) => make("a",
    { href: at(name, id, { [key]: value }), "aria-current": value === now ? "page" : null, text: word })));

export const details = (summary, key, ...children) => make("details", { "data-key": key }, make("summary", {}, summary),
  ...children);
