// Connections to helpdesks: where they post to, which secrets they hold or lack, and what became of the last replies.

import { call, get, query } from "../../api.js";
import { at, badge, button, code, confirmed, count, empty, heading, make, moment, note, table } from "../with.js";

const LOOKED_AT = 50; // deliveries of a hook
const pathOf = ({ id }) => `/api/hooks/${encodeURIComponent(id)}`;

export const hooks = {
  title: () => "Hooks",
  topics: ["actions", "deliveries"], // changes to a hook are told as actions
  async load(_place, signal) {
    const found = await get("/api/hooks", { signal });
    const asked = found.map(({ id }) => get(query("/api/deliveries", { hookId: id, limit: LOOKED_AT }), { signal }));
    const replies = await Promise.all(asked);
    return { hooks: found.map((hook, place) => ({ ...hook, replies: replies[place] })) };
  },
  draw({ hooks: found }, _place, act) {
    const rows = found.map((hook) => [
      [make("b", { class: "who", text: hook.name }), make("span", { class: "small", text: hook.platform })],
      [make("span", { class: "url", text: hook.url }), make("span", { class: "small", text: hook.id })],
      secrets(hook),
      [badge(hook.disabled ? "rests" : "takes part", hook.disabled ? "warn" : "good"),
        ...lastReply(hook.replies)],
      make("div", { class: "actions" },
        button(hook.disabled ? "Take part again" : "Let it rest …", () => act(() => (hook.disabled ? woken(hook) : rested(hook))),
          { key: hook.id }),
        button("Remove …", () => act(() => removed(hook)), { key: hook.id, class: "destroy" })),
    ]);
    return [heading("Hooks"),
      found.length
        ? note("A hook is added, and given its secrets, on the command line: ", code("customer-memory hooks rotate HOOK token"), ".")
        : null,
      found.length
        ? table("Hooks", ["Hook", "Its platform posts to", "Secrets", "State", ""], rows)
        : empty("No hooks.", "A hook connects a helpdesk: it posts what customers write, and replies go back into its "
          + "conversations. Add one with ", code("customer-memory hooks add chatwoot --set accountId=2"), ".")];
  },
};

// The current secret of each name, with when it was given; then what is missing, and what it is.
function secrets({ secrets: kept, missing }) {
  const now = kept.filter(({ validUntil }) => !validUntil);
  return [make("ul", { class: "plain" },
    ...now.map(({ name, createdAt }) => make("li", {}, badge(name, "good"), make("span", { class: "small" }, " given ",
      moment(createdAt)))),
    ...missing.map(({ name, what }) => make("li", {}, badge(`${name} is missing`, "warn"),
      make("span", { class: "small", text: what }))))];
}

function lastReply(replies) {
  const [newest] = replies, dead = replies.filter(({ status }) => status === "dead").length;
  if (!newest) return [make("span", { class: "small", text: "no reply lately" })];
  return [make("span", { class: "small" }, "last reply ", moment(newest.createdAt), ": ",
    make("a", { href: at("requests", newest.requestId), text: newest.status === "dead" ? "given up" : newest.status })),
  dead ? make("a", { class: "small", href: at("deliveries", undefined, { status: "dead" }),
    text: `${count(dead, "reply", "replies")} given up` }) : null];
}

async function rested(hook) {
  const yes = await confirmed({
    title: `Let ${hook.name} rest?`, verb: "Let it rest",
    words: "Its secrets and settings stay. Until it takes part again:",
    gone: ["what its platform posts is refused", "no reply is posted into its conversations"],
  });
  if (!yes) return "";
  await call("PATCH", pathOf(hook), { body: { disabled: true } });
  return "It rests, some three seconds from now.";
}

async function woken(hook) {
  await call("PATCH", pathOf(hook), { body: { disabled: false } });
  return "It takes part again, some three seconds from now.";
}

async function removed(hook) {
  const yes = await confirmed({
    title: `Remove ${hook.name}?`, verb: "Remove for ever",
    words: "It cannot be undone. Conversations that came through it stay, and nothing is posted into them any more.",
    gone: [`the address ${hook.url}`, "its settings, and the secrets that it holds"],
  });
  if (!yes) return "";
  await call("DELETE", pathOf(hook));
  return "Removed.";
}
