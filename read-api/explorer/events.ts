/** The page at `/events`: the log, newest first. What it shows stands in entries, which are public; its filters stand in the address. */
import { eventTypes } from "../../event-schemas/json-schema.ts";
import { type EntryRow, treeHead } from "../../projections/log-reads.ts";
import { timeline, type Timeline, type TimelineFilter } from "../../projections/timeline.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import { asWhom, counted, explorerPage } from "./frame.ts";
import { eventList, searched } from "./rows.ts";

const pageMax = 50;

/** As it comes: a name may be missing, empty, or said twice. */
export type Asked = Readonly<Record<string, string | readonly string[] | undefined>>;

const forms = { type: /^[A-Za-z0-9]{1,64}$/, stream: /^[A-Za-z0-9._:-]{1,200}$/, by: /^[A-Za-z0-9._:-]{1,90}$/ } as const;
const names = Object.keys(forms) as (keyof typeof forms)[];

const said = (asked: Asked, name: string): string => {
  const value = asked[name];
  return typeof value === "string" ? value.trim() : "";
};
const leafOf = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);

export async function eventsPage({ database, checkpoint }: ReadDeps, asked: Asked): Promise<string> {
  const given = names.flatMap((name) => (said(asked, name) === "" ? [] : [[name, said(asked, name)] as const]));
  // What no entry can hold is not asked for.
  const impossible = given.some(([name, text]) => !forms[name].test(text));
  const filter: TimelineFilter = Object.fromEntries(given);
  const [before, after] = [leafOf(said(asked, "before")), leafOf(said(asked, "after"))];
  const place = before !== undefined ? { before } : after !== undefined ? { after } : {};
  const [head, signed] = await Promise.all([treeHead(database), checkpoint()]);
  // Order: what comes after the head is listened for, so the rows are read no earlier than it.
  const found = await (impossible
    ? { rows: [], older: false, newer: false }
    : timeline(database.query, filter, { first: pageMax, ...place }));
  // Only the newest page grows.
  const isNewest = !impossible && before === undefined && !found.newer;
  return explorerPage(
    "Events",
    "/events",
    `<h1>Events</h1><p>Every entry of the log, the newest first. ${
      signed ? `A signed checkpoint covers the first ${counted(signed.size, "entry", "entries")}.` : "Nothing is signed yet."
    }</p>${filters(given)}<div id="log"${isNewest ? ` data-after="${head?.place.position ?? ""}"` : ""}>${listed(found.rows, signed?.size ?? 0)}</div>${turns(found, given)}${asWhom}`,
    { script: "events" },
  );
}

type Given = readonly (readonly [string, string])[];

function filters(given: Given): string {
  const value = (name: string) => escaped(given.find(([each]) => each === name)?.[1] ?? "");
  const types = eventTypes.map((type) => `<option${type === value("type") ? " selected" : ""}>${type}</option>`).join("");
  const field = (name: string, label: string) =>
    `<label>${label}<input name="${name}" value="${value(name)}" autocomplete="off" spellcheck="false" autocapitalize="off"></label>`;
  return `<form class="filters" action="/events" role="search" aria-label="Events"><label>Type<select name="type"><option value="">all</option>${types}</select></label>
${field("stream", "Stream")}${field("by", "Actor: a member's id, or system:…")}<div class="row"><button class="main">Show</button>${
    given.length > 0 ? `<a href="/events">All events</a>` : ""
  }</div></form>`;
}

function listed(rows: readonly EntryRow[], signedSize: number): string {
  if (rows.length === 0) return `<p class="soft">There are none.</p>`;
  const days = Map.groupBy(rows, ({ at }) => at.slice(0, 10));
  return [...days]
    .map(
      ([day, ofDay]) =>
        `<section aria-label="${day}"><h2><time datetime="${day}">${day}</time></h2>${eventList(ofDay, signedSize)}</section>`,
    )
    .join("");
}

function turns({ rows, older, newer }: Timeline, given: Given): string {
  const [first, last] = [rows.at(0), rows.at(-1)];
  const links = [
    newer && `<a href="${searched(given)}">Newest</a>`,
    newer && first && `<a rel="prev" href="${searched([...given, ["after", String(first.leaf_index)]])}">Newer</a>`,
    older && last && `<a rel="next" href="${searched([...given, ["before", String(last.leaf_index)]])}">Older</a>`,
  ].filter((link) => typeof link === "string");
  return links.length === 0 ? "" : `<nav class="row" aria-label="Pages"><p class="row">${links.join("")}</p></nav>`;
}
