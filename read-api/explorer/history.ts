/** The page at `/history`: the community as it stood at any moment. Its script asks for the moment, and for what stood then. */
import { sizeAt } from "../../projections/as-of.ts";
import { entriesBetween, treeHead } from "../../projections/log-reads.ts";
import type { ReadDeps } from "../deps.ts";
import { Timestamp } from "../../event-schemas/values.ts";
import type { Asked } from "./events.ts";
import { asWhom, explorerPage, number } from "./frame.ts";
import { summaryOf } from "./rows.ts";

/** One entry, and the position that reads of the past are asked at. `size` is how many there are by now. */
export type MomentShown = {
  readonly leaf: number;
  readonly size: number;
  readonly id: string;
  readonly type: string;
  readonly summary: string;
  readonly stream: string;
  readonly by: string;
  readonly at: string;
  readonly position: string;
};

const leafForm = /^\d{1,15}$/;
const said = (value: Asked[string]) => (typeof value === "string" ? value : "");

/** The leaf that is asked for, by its index or by a time: the last one that was recorded by then. Kept within the log. */
async function leafAsked({ database }: ReadDeps, asked: string, size: number): Promise<number> {
  if (leafForm.test(asked)) return Math.min(Number(asked), size - 1);
  if (!Timestamp.safeParse(asked).success) return size - 1;
  return Math.max(0, (await sizeAt(database, { time: asked })) - 1);
}

/** Undefined while the rows have no entry. */
export async function momentShown(deps: ReadDeps, { at }: Asked): Promise<MomentShown | undefined> {
  const size = (await treeHead(deps.database))?.frontier.size ?? 0;
  if (size === 0) return undefined;
  const leaf = await leafAsked(deps, said(at), size);
  const [row] = await entriesBetween(deps.database, leaf, leaf + 1);
  if (!row) return undefined;
  const { event_id: id, type, stream, by, position } = row;
  return { leaf, size, id, type, summary: summaryOf(type), stream, by, at: row.at, position };
}

export async function historyPage(deps: ReadDeps, asked: Asked): Promise<string> {
  const moment = await momentShown(deps, asked);
  const body = moment ? panel(moment) : `<p class="soft">Nothing has been recorded yet.</p>`;
  return explorerPage(
    "History",
    "/history",
    `<h1>History</h1><p>Move through the log and see the community as it stood then: who was a member, who held which role, what had been proposed and decided.</p>
<noscript><p>The past is asked for by a script. Without it: the argument <code>asOf</code> of <a href="/graphql">GraphQL</a>.</p></noscript>${body}${asWhom}`,
    { script: "history", style },
  );
}

const style = `
.moment{position:sticky;top:0;z-index:1;background:var(--paper);border-bottom:1px solid var(--line);padding:.6rem 0 .8rem}.moment p{max-width:none}.moment output{display:flex;flex-wrap:wrap;gap:0 1rem;justify-content:space-between;font-size:1.25rem;font-variant-numeric:tabular-nums}.moment output small{font-size:.9rem}
.moment input[type=range]{width:100%;padding:0;border:0;background:none;accent-color:var(--mark);margin:.2rem 0 .5rem}.moment label{display:inline-flex;align-items:center;gap:.4rem;font-size:.9rem;color:var(--soft)}#happened{min-height:3.4rem;margin:1rem 0}#happened p{margin:.1rem 0}.stood[aria-busy=true]{opacity:.55}
.stood .figures{margin:1rem 0}.names{list-style:none;padding:0;margin:0}.names li{display:flex;flex-wrap:wrap;gap:.1rem .7rem;align-items:baseline;justify-content:space-between;padding:.35rem .3rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}.names li>:first-child{min-width:0;flex:1 1 10rem}.names li.touched{background:var(--card);box-shadow:inset 3px 0 var(--mark);padding-left:.7rem}
@media(min-width:62rem){.stood .halves{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}@media(max-width:46rem){.moment{position:static}}`;

const panel = ({ leaf, size, at }: MomentShown) =>
  `<form id="moment" class="moment" aria-label="The moment" data-leaf="${leaf}" data-size="${size}"><output id="when" for="leaf"><time datetime="${at}">${at.slice(0, 19).replace("T", " ")} UTC</time><small class="soft">after entry ${number(leaf + 1)} of ${number(size)}</small></output>
<input id="leaf" type="range" min="0" max="${size - 1}" step="1" value="${leaf}" aria-label="Place in the log" aria-describedby="keys">
<p class="row"><button type="button" id="back" aria-label="One event back">◀ Back</button><button type="button" id="play" class="main" aria-pressed="false">Play</button><button type="button" id="forth" aria-label="One event forward">Forward ▶</button>
<label>Step<select id="step" aria-label="Events a step">${[1, 10, 100, 1_000].map((step) => `<option value="${step}">${number(step)}</option>`).join("")}</select></label>
<label>Day<input id="day" type="date" max="9999-12-31"></label><button type="submit">Go to its end</button></p>
<p id="keys" class="hidden">Arrow keys move by one event, Page Up and Page Down by a tenth of the log, Home and End to its ends.</p></form>
<section id="happened" aria-live="polite" aria-label="What happened then"></section>
<section id="stood" class="stood" aria-label="The community then" aria-busy="true"></section>`;
