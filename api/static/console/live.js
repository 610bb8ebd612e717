// Hears of changes while the page is looked at: by a stream, and where there is none by asking every few seconds.

import { Problem, stream } from "../api.js";

const POLL_SECONDS = 10;
const LONGEST_WAIT_MS = 30_000;

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
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const onOpen = () => {
        failures = 0;
        onState("live");
      };
      for await (const { event, data } of stream("/api/live", { signal, onOpen })) {
        if (event === "change") onChange(data.topics);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 401) return onState("refused");
      if (error instanceof Problem && error.status < 500) return poll(signal, onChange, onState);
    }
    if (signal.aborted) return undefined;
    onState(failures > 1 ? "away" : "live");
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
