// Small helpers for making elements. Text goes in as text: nothing that a customer wrote is ever read as markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const DAY_AND_YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// A moment as people tell it: the time today, the day and time this year, the date before.
export function when(text) {
  const at = new Date(text), now = new Date();
  if (at.toDateString() === now.toDateString()) return TIME.format(at);
  if (at.getFullYear() === now.getFullYear()) return `${DAY.format(at)}, ${TIME.format(at)}`;
  return DAY_AND_YEAR.format(at);
}

export const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const NUMBER = new Intl.NumberFormat();
export const number = (value) => NUMBER.format(value);
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export const dollars = (amount) => `$${amount >= 0.1 || amount === 0 ? amount.toFixed(2) : String(Number(amount.toPrecision(2)))}`;
