// Asking the API: errors in words, retries that are safe, and streams that go on where they were cut.

export class Problem extends Error {
  constructor(status, details) {
    super(details.detail || details.title || `The service answered ${status}.`);
    this.status = status;
    this.type = (details.type || "").split("/").pop();
  }
}

const state = { csrf: null, tenant: null };

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function headersFor(method, extra) {
  const headers = { ...extra };
  if (method !== "GET" && state.csrf) headers["X-Csrf-Token"] = state.csrf;
  if (state.tenant) headers["X-Tenant"] = state.tenant;
  return headers;
}

export async function call(method, path, { body, headers = {}, signal } = {}) {
  const told = headersFor(method, headers);
  if (body !== undefined) told["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers: told, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 204) return { data: null, response };
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, data);
  return { data, response };
}

export const get = async (path, options) => (await call("GET", path, options)).data;

// With an idempotency key a request may be sent again when its answer was lost.
export async function post(path, body, onWait) {
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  for (let tries = 0; ; tries += 1) {
    try {
      return (await call("POST", path, { body, headers: { "Idempotency-Key": key } })).data;
    } catch (error) {
      const again = !(error instanceof Problem) || error.status === 503;
      if (!again || tries >= 6) throw error;
      onWait?.();
      await pause(Math.min(8000, 500 * 2 ** tries));
    }
  }
}

export async function whoAmI() {
  const told = await get("/sign-in");
  state.csrf = told.csrfToken || null;
  return told;
}

export function actFor(tenant) {
  state.tenant = tenant;
}

export async function signIn(key) {
  await call("POST", "/sign-in", { body: { key } });
  return whoAmI();
}

export async function signOut() {
  await call("DELETE", "/sign-in");
  state.csrf = null;
}

export const query = (path, values) => `${path}?${new URLSearchParams(values)}`;

// One page of a listing, and where the next one is.
export async function page(path, options) {
  const { data, response } = await call("GET", path, options);
  return { items: data, next: /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") || "")?.[1] };
}

// Every page of a listing, one after the other, `most` items at most.
export async function* pages(path, most) {
  let next = path, told = 0;
  while (next && told < most) {
    const found = await page(next);
    told += found.items.length;
    yield found.items;
    next = found.next;
  }
}

// What an address holds, to be saved as a file.
export async function blob(path) {
  const response = await fetch(path, { headers: headersFor("GET", {}) });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response.blob();
}

// Yields {event, data} of one connection that streams, until it is cut; `onOpen` is called when it stands.
export async function* stream(path, { signal, headers = {}, onOpen } = {}) {
  const response = await fetch(path, { headers: headersFor("GET", headers), signal, cache: "no-store" });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  onOpen?.();
  yield* parsed(response.body);
}

// Yields {event, data} of a reply until its last one. A cut connection is taken up where it was cut.
export async function* events(requestId, { signal, onLost, onBack }) {
  let last = null, failures = 0;
  while (!signal.aborted) {
    try {
      const headers = last ? { "Last-Event-ID": last } : {};
      const onOpen = () => {
        if (failures > 0) onBack?.();
        failures = 0;
      };
      for await (const told of stream(`/api/chat/${requestId}/events`, { headers, signal, onOpen })) {
        last = told.id ?? last;
        yield told;
        if (told.event === "result" || told.event === "failed") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500) throw error;
      onLost?.();
    }
    failures += 1;
    await pause(Math.min(5000, 250 * 2 ** failures));
  }
}

// Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html tells them.
async function* parsed(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const told = eventOf(held.slice(0, end));
      held = held.slice(end + 2);
      if (told) yield told;
    }
  }
}

function eventOf(text) {
  const fields = { event: "message", data: "" };
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) || [];
    if (name) fields[name] = value;
  }
  return fields.data ? { ...fields, data: JSON.parse(fields.data) } : null;
}
