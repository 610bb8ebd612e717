// A small chart: a bar a day, stacked by kind. Drawn as SVG; the table beside it says the same in words.

import { make } from "../dom.js";

const WIDEST = 1100, NARROWEST = 260, HEIGHT = 180, LEFT = 52, RIGHT = 22, BOTTOM = 22, TOP = 8, LABEL = 70;
export const COLOURS = 6;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// `days`: [{label, values: [number by kind]}], oldest first; `tell` writes an amount; `room`: pixels there are for it.
export function stacked(title, days, kinds, tell, room) {
  const span = Math.max(NARROWEST, Math.min(WIDEST, room));
  const totals = days.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const most = rounded(Math.max(...totals, 0)) || 1;
  const width = (span - LEFT - RIGHT) / days.length, scale = (HEIGHT - TOP - BOTTOM) / most;
  const drawn = svg("svg", { viewBox: `0 0 ${span} ${HEIGHT}`, role: "img", "aria-label": title, class: "chart" });
  for (const share of [0, 0.5, 1]) {
    const y = HEIGHT - BOTTOM - share * most * scale;
    drawn.append(svg("line", { x1: LEFT, x2: span, y1: y, y2: y, class: "grid" }),
      svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, tell(share * most)));
  }
  const every = Math.ceil((days.length * LABEL) / (span - LEFT));
  days.forEach(({ label, values }, index) => {
    const x = LEFT + index * width;
    let y = HEIGHT - BOTTOM;
    values.forEach((value, kind) => {
      if (!value) return;
      const height = Math.max(1, value * scale);
      y -= height;
      drawn.append(svg("rect", { x: x + width * 0.12, y, width: width * 0.76, height, class: `c${kind % COLOURS}` },
        svg("title", {}, `${label}, ${kinds[kind]}: ${tell(value)}`)));
    });
    if ((days.length - 1 - index) % every === 0) drawn.append(svg("text",
      { x: x + width / 2, y: HEIGHT - 6, "text-anchor": "middle" }, label));
  });
  const legend = make("ul", { class: "legend wide" },
    ...kinds.map((kind, index) => make("li", {}, make("span", { class: `swatch c${index % COLOURS}` }), kind)));
  return make("figure", { class: "figure-chart" }, drawn, legend);
}

// A round number at or above it.
function rounded(value) {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}
