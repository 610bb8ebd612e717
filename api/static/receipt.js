// What a receipt says, drawn: the context's parts as a bar against the budget.

import { count, make, number } from "./dom.js";

export const PARTS = {
  system: "Instructions", memory: "Memory", digests: "Earlier conversations, in short", summary: "Summary",
  window: "This conversation", late: "Memory that fits the message", recall: "Earlier turns", newest: "The message",
};

const WHY = {
  words: "shares words with the message", nearby: "near turns that do", session: "its conversation is about this",
  answer: "follows a question", date: "of the day that is asked about",
  meaning: "says something alike", beside: "next to one that was found",
};

export const whyOf = (words) => (words || []).map((word) => WHY[word] || word).join(", ");

// The bar, and what its colours mean. `whole`: the room that is kept for the reply is drawn too.
export function budgetBar(receipt, { whole = false } = {}) {
  const { max, reserve } = receipt.budget, room = max - reserve, length = whole ? max : room;
  const parts = receipt.parts.filter((part) => part.tokens > 0);
  const told = parts.map((part) => `${PARTS[part.name]} ${part.tokens}`).join(", ");
  const kept = whole ? `; ${reserve} kept free for the reply` : "";
  const bar = make("div", { class: whole ? "bar whole" : "bar", role: "img",
    "aria-label": `${receipt.tokens} of ${room} tokens: ${told}${kept}` });
  const piece = (name, tokens, words) => {
    const element = make("span", { class: name, title: `${words}: ${number(tokens)}` });
    element.style.width = `${(100 * tokens) / length}%`;
    bar.append(element);
  };
  for (const part of parts) piece(`p-${part.name}`, part.tokens, PARTS[part.name]);
  if (whole) {
    piece("p-free", room - receipt.tokens, "Free");
    piece("p-reserve", reserve, "Kept for the reply");
  }
  return bar;
}

export function legend(receipt) {
  return make("ul", { class: "legend" }, ...receipt.parts.filter((part) => part.tokens > 0).map((part) => make("li", {},
    make("span", { class: `swatch p-${part.name}` }), PARTS[part.name],
    make("span", { class: "number", text: number(part.tokens) }))));
}

export const filled = (receipt) => `${number(receipt.tokens)} of ${count(receipt.budget.max - receipt.budget.reserve, "token")}`;
