// Shows one view after the other: loads it, draws it, keeps it fresh, and tells in words what went wrong.
//
// A view is { title(place), topics, load(place, signal) → data, draw(data, place, act) → elements }.

import { Problem } from "../api.js";
import { byId, make } from "../dom.js";
import { button, heading } from "./parts.js";

const BUSY_MS = 1000;

export class Shell {
  constructor({ onRefused }) {
    this.onRefused = onRefused;
    this.view = byId("view");
    this.now = null;
  }

  // Opens a view; what the one before was still loading is dropped.
  async open(view, place) {
    this.now?.stop.abort();
    const now = { view, place, stop: new AbortController(), drawn: null, stale: false };
    this.now = now;
    document.title = `${view.title(place)} · Console`;
    this.view.setAttribute("aria-busy", "true");
    await this.load(now, { first: true });
  }

  // Something of these topics has changed (null: of any).
  async changed(topics) {
    const { now } = this;
    if (!now || (topics && !now.view.topics.some((topic) => topics.includes(topic)))) return;
    if (now.loading) now.stale = true;
    else await this.load(now, { first: false });
  }

  async load(now, { first }) {
    now.loading = true;
    now.stale = false;
    try {
      const data = await now.view.load(now.place, now.stop.signal);
      if (now === this.now) await this.draw(now, data, first);
    } catch (error) {
      if (now === this.now && !now.stop.signal.aborted) this.failed(now, error, first);
    } finally {
      now.loading = false;
    }
    if (now.stale && now === this.now) await this.load(now, { first: false });
  }

  async draw(now, data, first) {
    const told = JSON.stringify(data);
    if (told === now.drawn) return;
    while (!first && this.busy()) {
      await new Promise((done) => setTimeout(done, BUSY_MS));
      if (now !== this.now) return;
    }
    now.drawn = told;
    const kept = first ? null : this.keep();
    const drawn = now.view.draw(data, now.place, (work) => this.act(now, work));
    this.view.replaceChildren(...drawn.flat().filter(Boolean));
    this.view.setAttribute("aria-busy", "false");
    if (kept) this.restore(kept);
    else this.arrive(now);
  }

  // Whoever types or marks something is not disturbed.
  busy() {
    const { activeElement } = document;
    const typing = this.view.contains(activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(activeElement.tagName);
    const selection = document.getSelection();
    return typing || (!selection.isCollapsed && this.view.contains(selection.anchorNode));
  }

  // What was open and where the focus was, to be found again after drawing.
  keep() {
    return {
      open: [...this.view.querySelectorAll("details[open]")].map((each) => each.dataset.key),
      focus: this.view.contains(document.activeElement) ? aimOf(document.activeElement) : null,
      top: this.view.scrollTop,
    };
  }

  restore({ open, focus, top }) {
    for (const key of open) this.view.querySelector(keyed(key))?.setAttribute("open", "");
    if (focus) (this.view.querySelector(focus) || this.view.querySelector("h1"))?.focus({ preventScroll: true });
    this.view.scrollTop = top;
  }

  arrive(now) {
    this.view.scrollTop = 0;
    const aim = this.view.querySelector("[data-aim]");
    const first = this.view.querySelector("[autofocus]") || this.view.querySelector("h1");
    if (!document.querySelector("dialog[open]")) first?.focus({ preventScroll: true });
    aim?.scrollIntoView({ block: "center" });
    now.view.drawn?.(this.view);
  }

  failed(now, error, first) {
    if (error instanceof Problem && error.status === 401) return this.onRefused();
    if (!first) return say(words(error), "bad");
    this.view.replaceChildren(heading(now.view.title(now.place)),
      make("div", { class: "nothing", role: "alert" }, make("p", { class: "title", text: words(error) }),
        make("p", {}, error instanceof Problem && error.status === 404 ? "It may have been deleted, or its time is over. " : null,
          button("Try again", () => this.open(now.view, now.place)))));
    this.view.setAttribute("aria-busy", "false");
    return this.view.querySelector("h1").focus();
  }

  // Does something that changes the service, tells how it went, and shows what is so now. `work` may return words.
  async act(now, work) {
    try {
      const told = await work();
      if (told) say(told);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return this.onRefused();
      say(words(error), "bad");
    }
    if (now === this.now) await this.changed(null);
    return undefined;
  }
}

// How an element is found again once it is drawn anew.
const keyed = (key) => `[data-key="${CSS.escape(key)}"]`;

function aimOf(element) {
  if (element.dataset.key) return keyed(element.dataset.key);
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  return element.matches("details[data-key] > summary") ? `${keyed(element.parentElement.dataset.key)} > summary` : "h1";
}

export const words = (error) => (error instanceof Problem ? error.message : "The service cannot be reached. Is it running?");

let timer = 0;
export function say(text, tone = "good") {
  const place = byId("said");
  clearTimeout(timer);
  place.className = `toast shown ${tone}`;
  place.textContent = text;
  timer = setTimeout(() => place.classList.remove("shown"), tone === "bad" ? 12_000 : 5000);
}

