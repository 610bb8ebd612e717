// Asking a failed request again.

import { call } from "../../api.js";
import { at, button, confirmed } from "../with.js";

export const replayButton = (id, act) => button("Replay …", () => act(() => replayed(id)), { key: id });

async function replayed(id) {
  const yes = await confirmed({
    title: "Ask this again?", verb: "Replay", harmless: true,
    words: "The same message, with those it came together with, goes to the end of its conversation as a new request. Claude is asked, and the customer may get a reply.",
  });
  if (!yes) return "";
  const { data } = await call("POST", `/api/chat/${encodeURIComponent(id)}/replay`);
  location.hash = at("requests", data.requestId);
  return "Asked again.";
}
