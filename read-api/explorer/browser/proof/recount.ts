/**
 * Counting again where it is read, by code of its own: the log's own algorithm is `domain/voting/count.ts`, and two who agree are better
 * than one. Who may vote, the rules and the tally come from receipts; the ballots are held against the root that the tally committed to.
 */
import { canonical, type Json, type JsonObject } from "../../../../domain/log/canonical-json.ts";
import { b64u, sha256 } from "../../../../domain/log/hash.ts";
import { entryHash } from "../../../../domain/log/ids.ts";
import { rootOf } from "../../../../domain/log/merkle.ts";
import type { Check } from "./verifying.ts";

type Count = {
  readonly choice: string;
  readonly ballots: number;
  readonly weight: number;
  readonly delegated: number;
  readonly delegatedWeight: number;
};
type Side = "for" | "against" | "abstain";
type Rules = {
  readonly choices: readonly { readonly id: string; readonly counts: Side }[];
  readonly approval: {
    readonly num: number;
    readonly den: number;
    readonly base: "yesPlusNo" | "cast" | "eligible";
    readonly comparison: "moreThan" | "atLeast";
  };
  readonly quorum?: { readonly base: string; readonly counts: keyof typeof quorumSides };
  readonly delegatedCountsForQuorum: boolean;
};
type Tally = JsonObject & {
  readonly counts: readonly Count[];
  readonly forWeight: number;
  readonly againstWeight: number;
  readonly abstainWeight: number;
  readonly quorumCounted: number;
  readonly quorumNeed: number;
};
export type Ballot = { readonly id: string; readonly memberId: string; readonly choice: string };
/** The shown fields of four kinds of events, each proven by a receipt. */
export type Proven = {
  readonly proposalId: string;
  readonly opened: JsonObject;
  readonly parts: readonly JsonObject[];
  readonly tally: JsonObject;
  readonly decision: JsonObject | undefined;
};

/** RFC 6962 §2.1 over the canonical JSON of each. */
const treeRoot = (leaves: readonly Json[]) => b64u(rootOf(leaves.map((leaf) => entryHash(canonical(leaf)))));
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);

export function recounted({ proposalId, opened, parts, tally: recorded, decision }: Proven, ballots: readonly Ballot[]): readonly Check[] {
  const tally = recorded as Tally;
  const ruleset = opened["ruleset"] as unknown as Rules;
  const electors = parts.flatMap(({ members }) => members as unknown as readonly [string, number][]);
  const weights = new Map(electors);
  const streams = ballots
    .map(({ id, memberId, choice }) => [`ballot-${proposalId}.${memberId}`, choice, id] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const checks: Check[] = [
    {
      isGood: treeRoot(electors) === opened["electorateRoot"] && tally["electorateRoot"] === opened["electorateRoot"],
      says: `The list of ${electors.length} electors is the one that voting opened with, and that was counted with.`,
    },
    { isGood: underItsRules(opened, tally), says: "It was counted under the rules, the quorum and the text that voting opened with." },
    { isGood: ballots.every(({ memberId }) => weights.has(memberId)), says: "Every ballot is that of an elector." },
    { isGood: treeRoot(streams) === tally["ballotsRoot"], says: `These ${ballots.length} ballots, and no others, were counted.` },
    ...ruleset.choices.map(({ id }) => choiceCheck(id, tally, ballots, weights)),
    {
      isGood: sidesAgree(ruleset, tally) && quorumOf(ruleset, tally) === tally.quorumCounted,
      says: "For, against, abstain and the quorum are the sums of their choices.",
    },
    {
      isGood: outcomeOf(ruleset, tally, sum(electors.map(([, weight]) => weight))) === tally["outcome"],
      says: `By its rules it is ${String(tally["outcome"])}.`,
    },
    { isGood: resultHash(tally) === tally["resultHash"], says: "The hash of the result is that of these figures." },
  ];
  if (decision) checks.push({ isGood: decision["resultHash"] === tally["resultHash"], says: "The decision rests on this result." });
  return checks;
}

function choiceCheck(id: string, { counts }: Tally, ballots: readonly Ballot[], weights: ReadonlyMap<string, number>): Check {
  const own = ballots.filter(({ choice }) => choice === id);
  const weight = sum(own.map(({ memberId }) => weights.get(memberId) ?? 0));
  const said = counts.find(({ choice }) => choice === id);
  const brought = said && said.delegated > 0 ? `; ${said.delegated} more were brought by delegates, who are not counted again here` : "";
  const isGood = said !== undefined && said.ballots === own.length && (said.delegated > 0 ? said.weight > weight : said.weight === weight);
  return { isGood, says: `${id}: ${own.length} ${own.length === 1 ? "ballot" : "ballots"} of weight ${weight}${brought}.` };
}

function sidesAgree({ choices }: Rules, { counts, forWeight, againstWeight, abstainWeight }: Tally): boolean {
  const of = (side: Side) =>
    sum(choices.filter((choice) => choice.counts === side).map(({ id }) => counts.find(({ choice }) => choice === id)?.weight ?? 0));
  return of("for") === forWeight && of("against") === againstWeight && of("abstain") === abstainWeight;
}

const underItsRules = (opened: JsonObject, tally: Tally) =>
  tally["rulesHash"] === b64u(sha256(canonical(opened["ruleset"]))) &&
  tally["contentHash"] === opened["contentHash"] &&
  tally.quorumNeed === opened["quorumNeed"];

const quorumSides = { cast: ["for", "against", "abstain"], castLessAbstain: ["for", "against"], yesOnly: ["for"] } as const;

/** Members are counted, or their weight where the quorum is one of weight; represented ones too, unless the rules leave them out. */
function quorumOf({ choices, quorum, delegatedCountsForQuorum: withDelegated }: Rules, { counts }: Tally): number {
  const sides: readonly Side[] = quorumSides[quorum?.counts ?? "cast"];
  const counting = counts.filter(({ choice }) => choices.some(({ id, counts: side }) => id === choice && sides.includes(side)));
  return sum(
    counting.map(({ ballots, weight, delegated, delegatedWeight }) =>
      quorum?.base === "eligibleWeight" ? weight - (withDelegated ? 0 : delegatedWeight) : ballots + (withDelegated ? delegated : 0),
    ),
  );
}

/** Quorum first, then the tie, then approval. */
function outcomeOf({ approval: { num, den, base, comparison } }: Rules, tally: Tally, eligible: number): "adopted" | "rejected" {
  const { forWeight, againstWeight, abstainWeight, quorumCounted, quorumNeed } = tally;
  if (quorumCounted < quorumNeed || forWeight === againstWeight) return "rejected";
  const yesPlusNo = forWeight + againstWeight;
  const whole = { yesPlusNo, cast: yesPlusNo + abstainWeight, eligible }[base];
  const [reached, needed] = [BigInt(forWeight) * BigInt(den), BigInt(num) * BigInt(whole)];
  return (comparison === "moreThan" ? reached > needed : reached >= needed) ? "adopted" : "rejected";
}

const resultMembers = [
  "algorithm",
  "proposalId",
  "ballots",
  "counts",
  "forWeight",
  "againstWeight",
  "abstainWeight",
  "unrepresentedWeight",
  "quorumCounted",
  "quorumNeed",
  "outcome",
  "cause",
];
const resultHash = (tally: Tally) => b64u(sha256(canonical(Object.fromEntries(resultMembers.map((name) => [name, tally[name]!])))));
