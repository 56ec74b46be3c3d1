/** The page at `/events/<id>`: one event. What stands in its entry is there at once; the script takes its receipt and checks it. */
import { declarationOf } from "../../event-schemas/catalogue.ts";
import { Uuid } from "../../event-schemas/values.ts";
import type { Recorded } from "../../domain/log/event-log.ts";
import { entryById } from "../../projections/log-reads.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import { actor, asWhom, explorerPage, number } from "./frame.ts";

/** Undefined where there is no event of this id, or the rows have not come to it yet. */
export async function eventPage({ database, log }: ReadDeps, id: string): Promise<string | undefined> {
  const row = Uuid.safeParse(id).success ? await entryById(database, id) : undefined;
  if (!row) return undefined;
  const [before, here, after] = await around(log.read, row.stream, row.revision);
  if (!here) return undefined;
  const { entry } = here;
  return explorerPage(
    entry.type,
    "/events",
    `<h1>${escaped(entry.type)}</h1><p>${escaped(declarationOf(entry.type)?.summary ?? "")}</p>
<div id="event" class="banner wait" role="status" aria-live="polite" data-id="${entry.id}" data-before="${before?.entry.id ?? ""}"><h2>Checking in this browser …</h2></div>
<noscript><p>The check runs in your browser, as a script. Without it: <a href="/log/proofs/${entry.id}">the receipt</a>, to be checked by <a href="/verifier.html">a verifier</a>.</p></noscript>
<div class="halves"><div><section aria-labelledby="facts-title"><h2 id="facts-title">Who, what, when</h2><dl class="facts" id="facts">
${fact("recorded", `<time datetime="${entry.at}">${entry.at}</time>`)}${fact("by", `<a href="/events?by=${encodeURIComponent(entry.by)}">${actor(entry.by)}</a>`)}
${fact("stream", `<a href="/events?stream=${encodeURIComponent(entry.stream)}">${escaped(entry.stream)}</a>`)}${fact("revision", number(entry.rev))}
${fact("leaf", `<a href="/events?before=${row.leaf_index + 6}#leaf-${row.leaf_index}">${number(row.leaf_index)}</a>`)}
${fact("caused by", entry.cause === undefined ? "" : `<a href="/events/${entry.cause}">the event that it follows from</a>`)}
</dl>
<dl class="facts">${fact("before it in its stream", linkTo(before))}${fact("after it in its stream", linkTo(after))}</dl></section>
<section aria-labelledby="fields-title"><h2 id="fields-title">Its fields</h2><div id="fields"></div></section>
<section aria-labelledby="why-title"><h2 id="why-title">Why it is valid</h2><div id="why"></div></section></div>
<section aria-labelledby="proof-title"><h2 id="proof-title">Its place in the signed tree</h2><div id="proof"></div></section></div>
<p class="row"><a href="/history?at=${row.leaf_index}">The community then</a><a href="/log/proofs/${entry.id}" download>Keep the receipt</a><a href="/verifier.html">Check it elsewhere</a></p>${asWhom}`,
    { script: "event" },
  );
}

const fact = (name: string, value: string) => (value === "" ? "" : `<div><dt>${name}</dt><dd>${value}</dd></div>`);
const linkTo = (event: Recorded | undefined) => (event ? `<a href="/events/${event.entry.id}">${escaped(event.entry.type)}</a>` : "");

async function around(read: ReadDeps["log"]["read"], stream: string, revision: number): Promise<readonly (Recorded | undefined)[]> {
  const found = await read(stream, Math.max(0, revision - 1));
  return [revision - 1, revision, revision + 1].map((wanted) => found.find((each) => each.revision === wanted));
}
