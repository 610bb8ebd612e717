// What nearly every view imports.

export { byId, count, dollars, make, number, plain, when } from "../dom.js";
export { asked, confirmed } from "./confirm.js";
export * from "./parts.js";
export { at } from "./place.js";
