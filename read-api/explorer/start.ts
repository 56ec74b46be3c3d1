/** The page at `/`: what this log is, how far it has come and who vouches for it, what happened last, and where to go on. */
import { projectionsStatus } from "../../projections/as-of.ts";
import type { Checkpoint } from "../../projections/builds.ts";
import { memberCounts, proposalCounts } from "../../projections/census.ts";
import { publishedCheckpoints } from "../../projections/checkpoints.ts";
import { treeHead } from "../../projections/log-reads.ts";
import { community } from "../../projections/membership-reads.ts";
import { proposalsNewest, timeline } from "../../projections/timeline.ts";
import type { ReadDeps, SignerSays } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import { cosignersShown } from "./cosigners.ts";
import { ago, asWhom, counted, explorerPage, number } from "./frame.ts";
import { proposalList, proposalStyle } from "./proposals.ts";
import { eventList } from "./rows.ts";

const newestMax = 8;
const openMax = 5;

const links = [
  ["/events", "Read the log", "Every entry, proven in your browser"],
  ["/history", "Replay it", "The community as it stood at any moment"],
  ["/checkpoints", "Compare checkpoints", "What was signed when, and that it only grew"],
  ["/verifier.html", "Verify without us", "A page to keep: it checks bundles and receipts offline"],
  ["/graphql", "Ask the rows", "GraphQL, with its schema and a place to try it"],
  ["/reference", "Send commands", "Every command, its input, its rules"],
  ["/schemas", "What is recorded", "The events, as JSON Schema"],
  ["/problems", "What can go wrong", "Every code that an answer may carry"],
  ["/asyncapi.json", "Listen", "Live updates over server-sent events"],
  ["/deliveries", "See who is told", "Webhooks, their deliveries and what came back"],
] as const;

export async function startPage(deps: ReadDeps): Promise<string> {
  const { database } = deps;
  const shown = await deps.checkpoint();
  const [founded, status, head, [newest], members, proposals, open] = await Promise.all([
    community(database),
    projectionsStatus(database),
    treeHead(database),
    shown ? publishedCheckpoints(database.query, 1) : [],
    memberCounts(database, deps.now()),
    proposalCounts(database),
    proposalsNewest(database.query, { first: openMax }, "open"),
  ]);
  // Order: what comes after the head is listened for, so the rows are read no earlier than it.
  const { rows } = await timeline(database.query, {}, { first: newestMax });
  const size = head?.frontier.size ?? 0;
  const name = founded?.name ?? "Minutebook";
  return explorerPage(
    name,
    "/",
    `<p class="soft">${founded ? "The minute book of" : "No community has been founded yet."}</p>
<h1>${escaped(name)}</h1>
<p>Every decision is an entry of an append-only log that anybody can check: nothing was changed, dropped, inserted or reordered.${founded ? ` The first stands since ${escaped(founded.founded_at.slice(0, 10))}.` : ""}</p>
<div class="figures"><div><b id="size">${number(size)}</b>entries in the log</div>
<div><b>${newest ? ago(newest.at) : "–"}</b>${newest ? `the newest checkpoint, over ${counted(newest.size, "entry", "entries")}` : "nothing is signed yet"}</div>
<div><b>${number(members["active"] ?? 0)}</b>active members</div>
<div><b>${number(proposals["open"] ?? 0)}</b>of ${counted(
      Object.values(proposals).reduce((sum, count) => sum + count, 0),
      "proposal",
    )} open</div></div>
<div class="halves"><section aria-labelledby="newest"><h2 id="newest">What happened last</h2><div id="log" data-after="${head?.place.position ?? ""}" data-max="${newestMax}">${eventList(rows, shown?.size ?? 0)}</div><p><a href="/events">The whole log</a></p></section>
<section aria-labelledby="open"><h2 id="open">Open for voting</h2>${proposalList(open.rows, "Nothing is being voted on.")}<p><a href="/proposals">All proposals</a></p></section></div>
<section aria-labelledby="vouch"><h2 id="vouch">Who vouches for it</h2>${signing(deps.signer?.(), size, newest)}${await cosignersShown(deps, shown)}</section>
<h2>Go on</h2><ul class="links">${links.map(([path, title, about]) => `<li><a href="${path}"><b>${title}</b>${about}</a></li>`).join("")}</ul>
<h2>This log</h2><p><code>${escaped(deps.origin)}</code></p>${shown ? `<details><summary>Its checkpoint, as a signed note</summary><pre class="wide">${escaped(shown.note)}</pre></details>` : ""}
<details><summary>How far the rows have come: ${number(status.filter(({ live, status }) => live && status === "running").length)} of ${counted(status.filter(({ live }) => live).length, "projection")} running</summary>
<div class="wide"><table><thead><tr><th scope="col">projection</th><th scope="col">entries taken in</th><th scope="col">status</th></tr></thead><tbody>${status.map(row).join("")}</tbody></table></div></details>${asWhom}`,
    { script: "start", style: proposalStyle + style },
  );
}

const style = `
.figures b{font-size:1.5rem}#log .events li{grid-template-columns:5rem minmax(0,1fr) minmax(0,8rem) minmax(3rem,auto)}#log .events .stream{display:none}@media(max-width:46rem){#log .events li{grid-template-columns:1fr auto}}`;

const states: Readonly<Record<SignerSays["status"], readonly [tone: string, says: string]>> = {
  signing: ["good", "The signer signs what is appended."],
  standby: ["", "A signer stands by: another one signs."],
  waiting: ["", "The signer waits for rows that it can sign."],
  refused: ["bad", "The signer refuses to sign."],
};

/** The age of the oldest entry that waits says more than any state: a signer on another machine says nothing here. */
function signing(signer: SignerSays | undefined, size: number, newest: { readonly size: number; readonly at: string } | undefined): string {
  const waiting = size - (newest?.size ?? 0);
  const [tone, says] = signer ? states[signer.status] : ["", ""];
  const state = signer
    ? `<span class="badge ${tone}">${signer.status}</span> ${says}${signer.reason === undefined ? "" : ` ${escaped(signer.reason)}`} `
    : "";
  const rest =
    waiting > 0
      ? `${counted(waiting, "entry waits", "entries wait")} for the next checkpoint.`
      : "Every entry is covered by a signed checkpoint.";
  return `<p>${state}${rest}</p>`;
}

const row = ({ projection, size, status, reason, live }: Checkpoint) =>
  `<tr><td>${escaped(projection)}${live ? "" : " (new)"}</td><td>${number(size)}</td><td class="${status}">${status}${
    reason === null ? "" : `: ${escaped(reason)}`
  }</td></tr>`;
