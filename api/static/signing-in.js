// The way in: asks for an API key where one is needed, and trades it for a cookie.

import { signIn } from "./api.js";
import { byId, make } from "./dom.js";
import { tenant } from "./kept.js";

// Puts the dialog onto the page. `onEntered` is given who came in; where `names`, an operator must name a tenant first.
export function door(onEntered, { names = false } = {}) {
  const dialog = dialogOf();
  document.body.append(dialog);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  byId("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const told = await signIn(byId("key").value.trim());
      if (names && told.role === "operator" && !byId("tenant").value) return askWhichTenant();
      if (byId("tenant").value) tenant.note(byId("tenant").value);
      byId("key").value = byId("sign-in-error").textContent = "";
      dialog.close();
      await onEntered(told);
    } catch (error) {
      byId("sign-in-error").textContent = error.message;
    }
    return undefined;
  });
  return { ask: () => { if (!dialog.open) dialog.showModal(); } };
}

function askWhichTenant() {
  const named = byId("tenant");
  named.hidden = byId("tenant-label").hidden = false;
  named.required = true;
  byId("sign-in-error").textContent = "This key acts for a tenant: name it.";
  named.focus();
}

function dialogOf() {
  const field = { required: true, maxlength: 200, autocomplete: "off", spellcheck: "false" };
  return make("dialog", { id: "sign-in", "aria-labelledby": "sign-in-title" },
    make("form", { id: "sign-in-form", method: "dialog" },
      make("h2", { id: "sign-in-title", text: "Sign in" }),
      make("p", { text: "Paste an API key. The browser keeps it for this page only, in a cookie no script can read, for twelve hours." }),
      make("label", { for: "key", text: "API key" }),
      make("input", { id: "key", type: "password", ...field }),
      make("label", { for: "tenant", id: "tenant-label", text: "Tenant", hidden: true }),
      make("input", { id: "tenant", maxlength: 63, autocomplete: "off", spellcheck: "false", hidden: true }),
      make("p", { id: "sign-in-error", class: "error", role: "alert" }),
      make("button", { type: "submit", text: "Sign in" }),
      make("p", { class: "small" }, "Make one with ", make("code", { text: "customer-memory keys create --tenant NAME" }), ".")));
}
