// The conversation: what was said, and the reply while it is written.

import { byId, dollars, make, number, when } from "./dom.js";

const log = byId("log");

export function clear(...children) {
  log.replaceChildren(...children);
}

export function empty(text) {
  clear(make("p", { class: "empty", text }));
}

// Shows a message; returns what changes it.
export function show({ role, content, at, author }) {
  log.querySelector(".empty")?.remove();
  const mine = role === "user";
  const said = make("div", { class: "said", text: content });
  const meta = make("p", { class: "meta", text: [author ?? (mine ? "Customer" : "Agent"), at && when(at)].filter(Boolean).join(" · ") });
  const element = make("article", { class: `message ${mine ? "customer-said" : "agent-said"}`, "aria-label": mine ? "Customer" : "Agent" }, said, meta);
  const follow = atEnd();
  log.append(element);
  if (follow || mine) toEnd();
  return { element, said, meta };
}

// A reply in the making.
export function writing() {
  const shown = show({ role: "assistant", content: "" });
  shown.element.classList.add("writing");
  shown.element.setAttribute("aria-busy", "true");
  return {
    add(text) {
      const follow = atEnd();
      shown.said.append(text);
      if (follow) toEnd();
    },
    reset() {
      shown.said.textContent = "";
    },
    done(status, onWhy) {
      const follow = atEnd();
      settle(shown);
      shown.said.textContent = status.reply;
      account(shown.meta, status, onWhy);
      if (follow) toEnd();
      byId("announce").textContent = `Agent: ${status.reply}`;
    },
    price(receipt, usage) {
      const follow = atEnd();
      price(shown.meta, receipt, usage);
      if (follow) toEnd();
    },
    failed(words, onAgain) {
      settle(shown);
      shown.element.classList.add("failed");
      shown.said.textContent = words;
      shown.meta.replaceChildren("No reply · ", make("button", { type: "button", text: "Send again", onclick: onAgain }));
      byId("announce").textContent = `No reply. ${words}`;
    },
    remove() {
      shown.element.remove();
    },
  };
}

function settle(shown) {
  shown.element.classList.remove("writing");
  shown.element.removeAttribute("aria-busy");
}

// Leads to what was used for a reply.
export const whyButton = (onclick) => make("button", { type: "button", text: "What was used", onclick });

// What a turn took, and the way to what was used for it.
function account(meta, status, onWhy) {
  const used = status.tokenUsage;
  const told = ["Agent"];
  if (status.finishedAt) told.push(when(status.finishedAt));
  if (used) told.push(`${number(used.input)} tokens in, ${number(used.output)} out`);
  if (used?.cacheRead) told.push(`${number(used.cacheRead)} of them cached`);
  meta.replaceChildren(`${told.join(" · ")} `);
  meta.append(make("span", { class: "price" }), whyButton(onWhy));
}

// What the input of a turn cost, by its receipt.
function price(meta, receipt, usage) {
  const cost = receipt.estimatedCost;
  const place = meta.querySelector(".price");
  if (cost && place) place.textContent = `· input about ${dollars(usage?.cacheRead ? cost.cached : cost.fresh)} · `;
}

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;

export function toEnd() {
  log.scrollTop = log.scrollHeight;
}
