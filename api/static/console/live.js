// Hears of changes while the page is looked at: by a stream, and where there is none by asking every few seconds.

import { Problem, stream } from "../api.js";

const POLL_SECONDS = 10;
const LONGEST_WAIT_MS = 30_000;
const SHORT_MS = 5000;
const CUTS = 3;

const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// `onChange` is given the topics that changed, or null for all; `onState` is told "live", "polling", "away" or "refused".
export function listen(onChange, onState) {
  let stop = null;
  const begin = () => {
    stop?.abort();
    stop = new AbortController();
    if (!document.hidden) hear(stop.signal, onChange, onState);
  };
  document.addEventListener("visibilitychange", begin);
  begin();
  return { again: begin, end: () => stop?.abort() };
}

async function hear(signal, onChange, onState) {
  let failures = 0, cuts = 0;
  while (!signal.aborted) {
    let opened = 0;
    try {
      const onOpen = () => {
        opened = Date.now();
        failures = 0;
        onState("live");
      };
      for await (const { event, data } of stream("/api/live", { signal, onOpen })) {
        if (event === "change") onChange(data.topics);
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof Problem && error.status === 401) return onState("refused");
      if (error instanceof Problem && error.status < 500) return poll(signal, onChange, onState);
    }
    if (signal.aborted) return undefined;
    // A stream that never lasts is cut by something between: asking is better then.
    cuts = opened && Date.now() - opened < SHORT_MS ? cuts + 1 : 0;
    if (cuts >= CUTS) return poll(signal, onChange, onState);
    failures += 1;
    if (failures > 1) onState("away");
    await pause(Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures), signal);
  }
  return undefined;
}

async function poll(signal, onChange, onState) {
  onState("polling");
  while (!signal.aborted) {
    await pause(POLL_SECONDS * 1000, signal);
    if (!signal.aborted) onChange(null);
  }
}
