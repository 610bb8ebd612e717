// Asks before something is destroyed or costs money: says what will be gone, and does it only on a clear yes.

import { make } from "../dom.js";

let dialogs = 0;

// Returns whether to go on. `gone`: what it takes along, line by line; `type`: a word to be typed first.
export function confirmed({ title, words, gone = [], verb, type = null, harmless = false }) {
  const id = nextId();
  const yes = make("button",
    { type: "submit", class: harmless ? "" : "destroy", value: "yes", text: verb, disabled: type !== null });
  const typed = make("input", { id: `${id}-typed`, autocomplete: "off", spellcheck: "false" });
  typed.addEventListener("input", () => { yes.disabled = typed.value !== type; });
  const fields = type === null ? [] : [make("label", { for: typed.id, text: "To go on, type the customer's id:" }),
    make("code", { text: type }), typed];
  return shown({ id, title, words, gone, fields, yes });
}

// Asks for a word; returns it, and nothing where the answer is no.
export async function asked({ title, words, label, verb }) {
  const id = nextId();
  const box = make("input", { id: `${id}-asked`, required: true, maxlength: 256, autocomplete: "off", spellcheck: "false",
    autofocus: true });
  const yes = make("button", { type: "submit", value: "yes", text: verb });
  const said = await shown({ id, title, words, fields: [make("label", { for: box.id, text: label }), box], yes });
  return said ? box.value.trim() : "";
}

const nextId = () => `confirm-${dialogs += 1}`;

function shown({ id, title, words, gone = [], fields, yes }) {
  const no = make("button", { type: "button", text: "Cancel", autofocus: !fields.some((each) => each.autofocus) });
  const dialog = make("dialog", { class: "confirm", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-words` },
    make("form", { method: "dialog" },
      make("h2", { id: `${id}-title`, text: title }),
      make("div", { id: `${id}-words` }, make("p", { text: words }),
        gone.length ? make("ul", {}, ...gone.map((text) => make("li", { text }))) : null),
      ...fields,
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
