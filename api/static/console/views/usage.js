// What Claude was used for and what that cost, day by day and by model.

import { get } from "../../api.js";
import { stacked } from "../chart.js";
import { byId, dollars, empty, heading, make, note, number, section, table, tabs } from "../with.js";

const CHOICES = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];
const PURPOSES = { reply: "Replies", summary: "Summaries and digests", extraction: "Reading for memory", batch: "Batches" };
const DAY_MS = 24 * 3_600_000;
const NAMED = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

const lengthOf = ({ query }) => (CHOICES.some(([value]) => value === query.get("days")) ? query.get("days") : "30");

export const usage = {
  title: () => "Cost",
  topics: ["usage"],
  load: (place, signal) => get(`/api/usage?days=${lengthOf(place)}`, { signal }),
  draw(rows, place) {
    const days = lengthOf(place);
    const top = [heading("Cost"), tabs("How far back", CHOICES, days, place, "days")];
    if (!rows.length) return [...top,
      empty("Nothing was asked of Claude in these days.",
      "Each reply, summary and reading of a conversation is counted here, with its tokens and its price.")];
    const models = [...new Set(rows.map((row) => row.model))].sort();
    const priced = rows.filter((row) => row.estimatedCost !== undefined && row.estimatedCost !== null);
    const total = sum(priced, "estimatedCost");
    return [...top,
      note(`About ${dollars(total)} in ${days} days, by the price list of the time.`,
        rows.some((row) => row.simulated) ? " Some of it was simulated: then it is what Claude would have taken." : "",
        priced.length < rows.length ? " Models without a known price are not in it." : ""),
      stacked(`Cost a day by model, the last ${days} days, ${dollars(total)} in all; the tables below say the same`,
        perDay(priced, models, Number(days)), models, dollars, byId("view").clientWidth - 90),
      section("By model and purpose", byPurpose(rows)), section("By day", byDay(rows))];
  },
};

const sum = (rows, field) => rows.reduce((total, row) => total + (row[field] ?? 0), 0);

// Every day to today, so that days without anything are seen as such.
function perDay(rows, models, days) {
  const byDays = Map.groupBy(rows, (row) => row.day);
  return Array.from({ length: days }, (_, index) => {
    const at = new Date(Date.now() - (days - 1 - index) * DAY_MS);
    const found = byDays.get(at.toISOString().slice(0, 10)) || [];
    return { label: NAMED.format(at),
      values: models.map((model) => sum(found.filter((row) => row.model === model), "estimatedCost")) };
  });
}

const HEADS = [["Turns", "number"], ["Tokens in", "number"], ["cached", "number"], ["out", "number"], ["Cost", "number"]];
const figures = (rows) => [number(sum(rows, "turns")), number(sum(rows, "input")), number(sum(rows, "cacheRead")),
  number(sum(rows, "output")),
  rows.some((row) => row.estimatedCost !== undefined && row.estimatedCost !== null) ? dollars(sum(rows,
    "estimatedCost")) : "unknown"];

function byPurpose(rows) {
  const groups = Map.groupBy(rows, (row) => `${row.model}\n${row.purpose}`);
  return table("Cost by model and purpose", ["Model", "For", ...HEADS],
    [...groups.values()].sort((one, other) => sum(other, "estimatedCost") - sum(one, "estimatedCost"))
    .map((group) => [make("code", { text: group[0].model }), PURPOSES[group[0].purpose] || group[0].purpose, ...figures(group)]));
}

function byDay(rows) {
  return table("Cost by day", ["Day", ...HEADS],
    [...Map.groupBy(rows, (row) => row.day)].sort(([one], [other]) => (one < other ? 1 : -1))
    .map(([day, group]) => [make("time", { datetime: day, text: NAMED.format(new Date(day)) }), ...figures(group)]));
}
