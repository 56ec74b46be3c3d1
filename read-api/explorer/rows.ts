/** Entries of the log as a list, newest first: the same rows wherever events are listed. `browser/shown/rows.ts` makes more of them. */
import { declarationOf } from "../../event-schemas/catalogue.ts";
import type { EntryRow } from "../../projections/log-reads.ts";
import { escaped } from "../pages/page.ts";
import { actor, number } from "./frame.ts";

type Shown = Pick<EntryRow, "event_id" | "leaf_index" | "type" | "stream" | "by" | "at">;

export const searched = (pairs: readonly (readonly [string, string])[]) =>
  escaped(`/events?${new URLSearchParams(pairs.map(([name, value]) => [name, value]))}`);

/** What happened: in the words of its kind, until a script knows it better. */
export const summaryOf = (type: string) => declarationOf(type)?.summary ?? "";

export function eventRow({ event_id, leaf_index, type, stream, by, at }: Shown, isSigned: boolean): string {
  return `<li id="leaf-${leaf_index}"${isSigned ? "" : ` class="unsigned"`}><time datetime="${at}" title="${at}">${at.slice(11, 19)}<span class="hidden"> UTC</span></time>
<span class="what"><b><a href="/events/${event_id}">${escaped(type)}</a></b><span class="says" data-event="${event_id}">${escaped(summaryOf(type))}</span></span>
<a class="quiet cut stream" href="${searched([["stream", stream]])}" title="${escaped(stream)}"><span class="hidden">stream </span>${escaped(stream)}</a>
<a class="quiet cut by" href="${searched([["by", by]])}"><span class="hidden">by </span>${actor(by)}</a>
<span class="leaf"><span class="hidden">leaf </span>${number(leaf_index)}<span class="hidden">${isSigned ? "" : ", not signed yet"}</span></span></li>`;
}

/** `after` is the position from which a script listens for more. */
export const eventList = (rows: readonly Shown[], signedSize: number, more = "") =>
  `<ol class="events"${more}>${rows.map((row) => eventRow(row, row.leaf_index < signedSize)).join("")}</ol>`;
