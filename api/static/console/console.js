// The console: who looks, where they are, and which view that is.

import { Problem, actFor, signOut, whoAmI } from "../api.js";
import { byId, make } from "../dom.js";
import { tenant } from "../kept.js";
import { door } from "../signing-in.js";
import { listen } from "./live.js";
import { actIn, at, read } from "./place.js";
import { Shell, say, words } from "./shell.js";
import { actions } from "./views/actions.js";
import { batch } from "./views/batch.js";
import { batches } from "./views/batches.js";
import { customer } from "./views/customer.js";
import { customers } from "./views/customers.js";
import { deliveries } from "./views/deliveries.js";
import { hooks } from "./views/hooks.js";
import { request } from "./views/request.js";
import { requests } from "./views/requests.js";
import { session } from "./views/session.js";
import { status } from "./views/status.js";
import { tenants } from "./views/tenants.js";
import { usage } from "./views/usage.js";

// What each address shows: the listing, and one of its things.
const VIEWS = {
  tenants: { all: tenants }, customers: { all: customers, one: customer }, sessions: { one: session },
  requests: { all: requests, one: request }, deliveries: { all: deliveries }, hooks: { all: hooks },
  batches: { all: batches, one: batch }, service: { all: status }, costs: { all: usage }, actions: { all: actions },
};

const MENU = [
  ["tenants", "Tenants"], ["customers", "Customers"], ["requests", "Requests"], ["deliveries", "Deliveries"],
  ["hooks", "Hooks"], ["batches", "Summaries"], ["service", "Service"], ["costs", "Cost"], ["actions", "Actions"],
];
const UNDER = { sessions: "customers" };
const STATES = { live: "Live", polling: "Asks every 10 seconds", away: "The service is away; trying again", refused: "Signed out" };

const who = { operator: false };
let feed = null;

const entrance = door((told) => enter(told));
const shell = new Shell({ onRefused: entrance.ask });

function enter(told) {
  byId("simulated").hidden = !told.simulated;
  byId("sign-out").hidden = !told.signedIn;
  who.operator = told.role === "operator";
  if (!told.open && !told.signedIn) return entrance.ask();
  feed?.end();
  feed = null;
  return show();
}

async function show() {
  const place = read(location.hash);
  const kind = VIEWS[place.name];
  const view = place.id === undefined ? kind?.all : kind?.one;
  if (!view || (who.operator && place.tenant === null && view !== tenants)) {
    location.replace(home(place, view));
    return;
  }
  follow(place.tenant);
  menu(place);
  await shell.open(view, place);
}

// Where to go when the address leads nowhere: an operator chooses a tenant first, or goes on with the last one.
function home(place, view) {
  if (!who.operator) return at("customers", undefined, {}, null);
  const last = tenant.last(null);
  if (last === null) return at("tenants", undefined, {}, null);
  return view ? at(place.name, place.id, Object.fromEntries(place.query), last) : at("customers", undefined, {}, last);
}

// Everything asked from now on is asked for this tenant; changes are heard of from there too.
function follow(named) {
  const chosen = who.operator ? named : null;
  if (feed && chosen === who.tenant) return;
  who.tenant = chosen;
  actIn(chosen);
  actFor(chosen);
  if (chosen !== null) tenant.note(chosen);
  byId("tenant-now").hidden = chosen === null;
  byId("tenant-now").textContent = chosen === null ? "" : `Tenant ${chosen}`;
  feed?.end();
  feed = who.operator && chosen === null ? { end() {}, again() {} } : listen((topics) => shell.changed(topics), tellState);
}

function tellState(state) {
  byId("live").textContent = STATES[state];
  byId("live").className = `live ${state === "live" ? "hears" : state}`;
  if (state === "refused") entrance.ask();
}

function menu(place) {
  const open = UNDER[place.name] || place.name;
  const shown = MENU.filter(([name]) => who.operator ? who.tenant !== null || name === "tenants" : name !== "tenants");
  byId("nav").replaceChildren(...shown.map(([name, word]) => make("li", {},
    make("a", { href: name === "tenants" ? at(name, undefined, {}, null) : at(name), "aria-current": name === open ? "page" : null,
      text: word }))));
  byId("nav").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  byId("to-chat").href = place.name === "customers" && place.id ? `/#${new URLSearchParams({ customer: place.id })}` : "/";
}

const trying = async (work) => {
  try {
    await work();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) entrance.ask();
    else say(words(error), "bad");
  }
};

addEventListener("hashchange", () => trying(show));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("view").focus();
});
byId("sign-out").addEventListener("click", () => trying(async () => {
  await signOut();
  location.reload();
}));
trying(async () => enter(await whoAmI()));
