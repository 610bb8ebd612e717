// Asks before something is destroyed or costs money: says what will be gone, and does it only on a clear yes.

import { make } from "../dom.js";

let asked = 0;

// Returns whether to go on. `gone`: what it takes along, line by line; `type`: a word to be typed first.
export function confirmed({ title, words, gone = [], verb, type = null, harmless = false }) {
  const id = `confirm-${asked += 1}`;
  const yes = make("button",
    { type: "submit", class: harmless ? "" : "destroy", value: "yes", text: verb, disabled: type !== null });
  const no = make("button", { type: "button", text: "Cancel", autofocus: true });
  const typed = make("input", { id: `${id}-typed`, autocomplete: "off", spellcheck: "false" });
  typed.addEventListener("input", () => { yes.disabled = typed.value !== type; });
  const dialog = make("dialog", { class: "confirm", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-words` },
    make("form", { method: "dialog" },
      make("h2", { id: `${id}-title`, text: title }),
      make("div", { id: `${id}-words` }, make("p", { text: words }),
        gone.length ? make("ul", {}, ...gone.map((text) => make("li", { text }))) : null),
      ...(type === null ? [] : [make("label", { for: `${id}-typed`, text: "To go on, type the customer's id:" }),
        make("code", { text: type }), typed]),
      make("div", { class: "choices" }, no, yes)));
  document.body.append(dialog);
  return new Promise((done) => {
    no.addEventListener("click", () => dialog.close(""));
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
    dialog.showModal();
  });
}
