// What this browser keeps: customers met lately, and requests under way, so that a reload goes on with them.

const store = {
  read(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch { /* a browser that keeps nothing is no reason to stop */ }
  },
};

const MOST_CUSTOMERS = 20;

export const known = () => store.read("customers", []);

export function meet(customer) {
  store.write("customers", [customer, ...known().filter((name) => name !== customer)].slice(0, MOST_CUSTOMERS));
}

export const tenant = {
  last: (otherwise = "default") => store.read("tenant", otherwise),
  note: (name) => store.write("tenant", name),
};

export const waiting = {
  of: (session) => store.read("waiting", {})[session],
  note(session, request) {
    const all = store.read("waiting", {});
    if (request) all[session] = request;
    else delete all[session];
    store.write("waiting", all);
  },
};
