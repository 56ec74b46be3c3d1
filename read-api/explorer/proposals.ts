/** The page at `/proposals`: every proposal, newest first, by its state. */
import { type Counts, proposalCounts } from "../../projections/census.ts";
import { proposalsNewest } from "../../projections/timeline.ts";
import type { ProposalRow } from "../../projections/voting/reads.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import type { Asked } from "./events.ts";
import { actor, ago, asWhom, counted, explorerPage, number } from "./frame.ts";

const pageMax = 40;
const states = ["open", "draft", "opening", "closed", "adopted", "rejected", "withdrawn"] as const;

export async function proposalsPage({ database }: ReadDeps, { state, before }: Asked): Promise<string> {
  const only = states.find((each) => each === state);
  const below = typeof before === "string" && /^\d{1,15}$/.test(before) ? Number(before) : undefined;
  const [counts, { rows, more }] = await Promise.all([
    proposalCounts(database),
    proposalsNewest(database.query, { first: pageMax, ...(below !== undefined && { before: below }) }, only),
  ]);
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return explorerPage(
    "Proposals",
    "/proposals",
    `<h1>Proposals</h1><p>What was put to the community, and what became of it. Every decision can be counted again on its page.</p>${choices(counts, all, only)}
${proposalList(rows)}${turns(only, below, more ? rows.at(-1)?.leaf_index : undefined)}${asWhom}`,
    { script: "events", style: proposalStyle },
  );
}

/** The links of the list, which other pages show too. */
export const proposalStyle = `
.choices{display:flex;flex-wrap:wrap;gap:.4rem;padding:0;list-style:none;margin:1.2rem 0}.choices a{display:inline-block;padding:.3rem .8rem;border:1px solid var(--line);border-radius:1rem;text-decoration:none;color:inherit;background:var(--card)}.choices a[aria-current]{border-color:var(--mark);color:var(--mark)}
.proposals{list-style:none;padding:0;margin:0;display:grid;gap:.6rem}.proposals li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem 1.1rem;overflow-wrap:anywhere}.proposals p{margin:.15rem 0;max-width:none}.proposals .row{gap:.1rem .9rem}`;

function choices(counts: Counts, all: number, only: string | undefined): string {
  const link = (path: string, says: string, count: number, isHere: boolean) =>
    `<li><a href="${path}"${isHere ? ' aria-current="true"' : ""}>${says} <small>${number(count)}</small></a></li>`;
  const found = states.filter((state) => counts[state] !== undefined || state === only);
  return `<nav aria-label="States"><ul class="choices">${link("/proposals", "all", all, only === undefined)}${found
    .map((state) => link(`/proposals?state=${state}`, state, counts[state] ?? 0, state === only))
    .join("")}</ul></nav>`;
}

export const proposalList = (rows: readonly ProposalRow[], none = "There are none.") =>
  rows.length === 0 ? `<p class="soft">${none}</p>` : `<ul class="proposals">${rows.map(item).join("")}</ul>`;

const tone: Readonly<Record<string, string>> = { adopted: "good", rejected: "bad", open: "shown" };
export const stateBadge = (state: string) => `<span class="badge ${tone[state] ?? ""}">${state}</span>`;

function item({ proposal_id, title, state, proposer, drafted_at, closes_at, decided_at, electorate_count }: ProposalRow): string {
  const when =
    decided_at !== null
      ? `decided ${ago(decided_at)}`
      : closes_at !== null && (state === "open" || state === "opening")
        ? `closes ${ago(closes_at)}`
        : `drafted ${ago(drafted_at)}`;
  const who = electorate_count === null ? "" : `<span>${counted(electorate_count, "elector")}</span>`;
  return `<li><p class="row"><b><a href="/proposals/${proposal_id}">${escaped(title)}</a></b>${stateBadge(state)}</p>
<p class="row soft"><span>${when}</span><span>by ${actor(proposer)}</span>${who}</p></li>`;
}

function turns(only: string | undefined, below: number | undefined, last: number | undefined): string {
  const path = (before?: number) =>
    escaped(`/proposals?${new URLSearchParams({ ...(only && { state: only }), ...(before !== undefined && { before: String(before) }) })}`);
  const links = [
    below !== undefined && `<a href="${path()}">Newest</a>`,
    last !== undefined && `<a rel="next" href="${path(last)}">Older</a>`,
  ];
  return `<nav aria-label="Pages"><p class="row">${links.filter((link) => link !== false).join("")}</p></nav>`;
}
