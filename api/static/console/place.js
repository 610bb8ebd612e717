// Where the reader is. All of it stands in the address, so that a page can be shared, reloaded and gone back to:
//   #/@tenant/customers/ada?cursor=…     (the tenant only where an operator chose one)

const state = { tenant: null };

export const tenantNow = () => state.tenant;

// Reads an address; the tenant in it counts from then on.
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decoded);
  const tenant = parts[0]?.startsWith("@") ? parts.shift().slice(1) : null;
  return { tenant, name: parts[0] || "", id: parts[1], query: new URLSearchParams(query) };
}

export function actIn(tenant) {
  state.tenant = tenant;
}

// The address of a view: `at("customers", "ada", { cursor })`.
export function at(name, id, query = {}, tenant = state.tenant) {
  const parts = [tenant === null ? null : `@${tenant}`, name, id].filter((part) => part !== null && part !== undefined);
  const named = ([, value]) => value !== null && value !== undefined && value !== "";
  const asked = new URLSearchParams(Object.entries(query).filter(named));
  const told = String(asked);
  return `#/${parts.map(encodeURIComponent).join("/").replace(/^%40/, "@")}${told && `?${told}`}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
