/** The page at `/proposals/<id>`: how a proposal was decided. The script counts again, from what the log proves. */
import type { Ruleset } from "../../event-schemas/voting.ts";
import { Uuid } from "../../event-schemas/values.ts";
import type { Tallied } from "../../domain/voting/count.ts";
import { type ProposalRow, proposalsById, type StepRow, tallies, timeline } from "../../projections/voting/reads.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import { actor, asWhom, counted, explorerPage, number } from "./frame.ts";
import { stateBadge } from "./proposals.ts";
import { summaryOf } from "./rows.ts";

const stepsMax = 100;

/** Undefined where there is no proposal of this id, or the rows have not come to it yet. */
export async function proposalPage({ database }: ReadDeps, id: string): Promise<string | undefined> {
  const row = Uuid.safeParse(id).success ? (await proposalsById(database, [id])).get(id) : undefined;
  if (!row) return undefined;
  const [tally, steps] = await Promise.all([
    tallies(database, [id]).then((found) => found.get(id)),
    timeline(database, { first: stepsMax }, id),
  ]);
  const figures = tally && (JSON.parse(tally.computed) as Tallied);
  const idsOf = (type: string) => steps.rows.filter((step) => step.type === type).map(({ event_id }) => event_id);
  const events = [
    ["opened", idsOf("VotingOpened")[0]],
    ["electorate", idsOf("ElectorateSnapshotted").join(",")],
    ["tally", tally?.event_id],
    ["decision", row.decision_event],
  ].map(([name, value]) => `data-${name}="${escaped(value ?? "")}"`);
  return explorerPage(
    row.title,
    "/proposals",
    `<h1>${escaped(row.title)}</h1><p>${stateBadge(row.state)}</p>${row.body === null ? "" : `<p class="body">${escaped(row.body)}</p>`}
<div id="verdict" class="banner wait" role="status" aria-live="polite" data-id="${row.proposal_id}" ${events.join(" ")}><h2>${
      figures ? "Not counted again yet" : "There is nothing to count yet"
    }</h2></div>${figures ? `<p><button type="button" class="main" id="recount" disabled>Recount here</button></p>` : ""}
<div id="checks"></div>${decision(row)}${figures ? counts(figures) : ""}${electorate(row)}${happened(steps.rows)}${asWhom}`,
    { script: "proposal", style: tight },
  );
}

const fact = (name: string, value: string | null | undefined) =>
  value === null || value === undefined ? "" : `<div><dt>${name}</dt><dd>${value}</dd></div>`;
const time = (at: string | null) => at && `<time datetime="${at}">${at}</time>`;
const toEvent = (id: string | null, text: string) => id && `<a href="/events/${id}">${escaped(text)}</a>`;

const decision = ({
  state,
  decision_event,
  decision_cause,
  decided_at,
  drafted_at,
  opens_at,
  closes_at,
  closed_at,
  proposer,
}: ProposalRow) =>
  `<h2>Decision</h2><dl class="facts">${fact("decided", toEvent(decision_event, `${state}, by ${decision_cause}`))}${fact("at", time(decided_at))}
${fact("drafted", time(drafted_at))}${fact("by", actor(proposer))}${fact("voting from", time(opens_at))}${fact("until", time(closes_at))}${fact("closed", time(closed_at))}</dl>`;

const counts = ({ counts, quorumCounted, quorumNeed, unrepresentedWeight, resultHash }: Tallied) =>
  `<h2>Tally</h2><div class="wide"><table><thead><tr><th scope="col">choice</th><th scope="col">ballots</th><th scope="col">by delegates</th><th scope="col">weight</th></tr></thead><tbody id="counts">${counts
    .map(
      ({ choice, ballots, delegated, weight }) =>
        `<tr><td>${escaped(choice)}</td><td>${number(ballots)}</td><td>${number(delegated)}</td><td>${number(weight)}</td></tr>`,
    )
    .join("")}</tbody></table></div>
<dl class="facts">${fact("quorum", quorumNeed === 0 ? "none is needed" : `${number(quorumCounted)} of the ${number(quorumNeed)} needed`)}${fact("weight of those who were silent", number(unrepresentedWeight))}${fact("hash of the result", `<code>${escaped(resultHash)}</code>`)}</dl>`;

function electorate({ electorate_count, electorate_weight, electorate_as_of, electorate_root, ruleset }: ProposalRow): string {
  if (electorate_count === null) return "";
  const { secrecy, delegation, approval } = JSON.parse(ruleset) as Ruleset;
  const needs = `${approval.comparison === "moreThan" ? "more than" : "at least"} ${approval.num}/${approval.den} of ${approval.base}`;
  return `<h2>Electorate and rules</h2><dl class="facts">${fact("who may vote", counted(electorate_count, "member"))}${fact("their weight", number(electorate_weight!))}
${fact("as of", `the first ${counted(electorate_as_of!, "entry", "entries")}`)}${fact("approval", escaped(needs))}${fact("secrecy", secrecy)}${fact("delegation", delegation)}${fact("root of the list", `<code>${escaped(electorate_root!)}</code>`)}</dl>`;
}

const happened = (steps: readonly StepRow[]) =>
  `<h2>What happened</h2><ol class="events steps-of">${steps
    .map(
      ({ event_id, type, by, at, leaf_index }) =>
        `<li><time datetime="${at}" title="${at}">${at.slice(0, 10)}</time><span class="what"><b>${toEvent(event_id, type)}</b><span class="says" data-event="${event_id}">${escaped(summaryOf(type))}</span></span><span class="quiet stream">${at.slice(11, 19)} UTC</span><span class="quiet cut by">${actor(by)}</span><span class="leaf"><span class="hidden">leaf </span><a href="/history?at=${leaf_index}" title="The community then">${number(leaf_index)}</a></span></li>`,
    )
    .join("")}</ol>`;
const tight =
  "@media(min-width:46.01rem){.steps-of li{grid-template-columns:6.2rem minmax(0,1fr) minmax(0,7rem) minmax(0,9rem) minmax(3.5rem,auto)}}";
