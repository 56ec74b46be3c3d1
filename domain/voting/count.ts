import type { StoredFields } from "../../event-schemas/declare.ts";
import type { Ruleset, tallyEvents } from "../../event-schemas/voting.ts";
import { canonical } from "../log/canonical-json.ts";
import { b64u, sha256 } from "../log/hash.ts";
import { ballotStreamOf } from "./ballot.ts";
import { representatives } from "./delegation.ts";
import { type Elector, electorateRoot, totalWeightOf, treeRoot } from "./electorate.ts";
import { rulesHashOf } from "./ruleset.ts";

/** A voter's ballot below the fence: the last thing that the voter did there. */
export type CountedBallot = { readonly memberId: string; readonly choice: string; readonly event: string };

/** Everything that an outcome depends on. Whoever has this, and the algorithm's name, comes to the same result on any machine. */
export type TallyInputs = {
  readonly proposalId: string;
  readonly contentHash: string;
  /** The event that closed the vote. */
  readonly fence: string;
  readonly ruleset: Ruleset;
  readonly quorumNeed: number;
  readonly electorate: readonly Elector[];
  readonly ballots: readonly CountedBallot[];
  readonly delegations: readonly (readonly [from: string, to: string])[];
};

export type Tallied = StoredFields<typeof tallyEvents, "TallyComputed">;
type ChoiceCount = Tallied["counts"][number];
type Figures = Pick<Tallied, "counts" | "forWeight" | "againstWeight" | "abstainWeight" | "unrepresentedWeight" | "quorumCounted">;

const hashOf = (value: unknown) => b64u(sha256(canonical(value)));
const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** `minutebook-tally/1`. Integers only; the order in which inputs are handed in changes nothing. Kept as it is for ever. */
function tally1(inputs: TallyInputs): Tallied {
  const algorithm = "minutebook-tally/1";
  const { proposalId, contentHash, fence, ruleset, quorumNeed } = inputs;
  const electorate = inputs.electorate.toSorted(([a], [b]) => byText(a, b));
  // One prefix and a member's id: streams are in the order of their members.
  const ballots = inputs.ballots
    .map(({ memberId, choice, event }) => [ballotStreamOf(proposalId, memberId), choice, event] as const)
    .toSorted(([a], [b]) => byText(a, b));
  const delegations = inputs.delegations.toSorted(([a], [b]) => byText(a, b));
  const figures = figuresOf(inputs);
  const decision = decisionOf(ruleset, quorumNeed, totalWeightOf(electorate), figures);
  const result = { proposalId, ballots: ballots.length, ...figures, quorumNeed, ...decision };
  return {
    ...result,
    algorithm,
    contentHash,
    fence,
    rulesHash: rulesHashOf(ruleset),
    electorateRoot: electorateRoot(electorate),
    ballotsRoot: treeRoot(ballots),
    inputsHash: hashOf({ algorithm, proposalId, contentHash, fence, ruleset, quorumNeed, electorate, ballots, delegations }),
    resultHash: hashOf({ algorithm, ...result }),
  };
}

function figuresOf({ ruleset, electorate, ballots, delegations }: TallyInputs): Figures {
  const choices = new Map(ballots.map(({ memberId, choice }) => [memberId, choice]));
  const members = electorate.map(([id]) => id);
  const speakers = representatives(members, new Set(choices.keys()), new Map(delegations));
  const counts = new Map<string, { -readonly [K in keyof ChoiceCount]: ChoiceCount[K] }>(
    ruleset.choices.map(({ id }) => [id, { choice: id, ballots: 0, weight: 0, delegated: 0, delegatedWeight: 0 }]),
  );
  let unrepresentedWeight = 0;
  for (const [id, weight] of electorate) {
    const speaker = speakers.get(id);
    const count = speaker === undefined ? undefined : counts.get(choices.get(speaker)!);
    if (!count) {
      unrepresentedWeight += weight;
      continue;
    }
    count.weight += weight;
    if (speaker === id) count.ballots++;
    else {
      count.delegated++;
      count.delegatedWeight += weight;
    }
  }
  const sum = (side: string, figure: (count: ChoiceCount) => number) =>
    ruleset.choices.reduce((total, { id, counts: counted }) => (counted === side ? total + figure(counts.get(id)!) : total), 0);
  const weights = ({ weight }: ChoiceCount) => weight;
  return {
    counts: [...counts.values()],
    forWeight: sum("for", weights),
    againstWeight: sum("against", weights),
    abstainWeight: sum("abstain", weights),
    unrepresentedWeight,
    quorumCounted: quorumCounted(ruleset, sum),
  };
}

const countedSides = { cast: ["for", "against", "abstain"], castLessAbstain: ["for", "against"], yesOnly: ["for"] } as const;

/** Members are counted, or their weight where the quorum is one of weight; represented ones too, unless the rules leave them out. */
function quorumCounted(
  { quorum, delegatedCountsForQuorum: withDelegated }: Ruleset,
  sum: (side: string, figure: (count: ChoiceCount) => number) => number,
): number {
  const figure =
    quorum?.base === "eligibleWeight"
      ? ({ weight, delegatedWeight }: ChoiceCount) => (withDelegated ? weight : weight - delegatedWeight)
      : ({ ballots, delegated }: ChoiceCount) => (withDelegated ? ballots + delegated : ballots);
  return countedSides[quorum?.counts ?? "cast"].reduce((total, side) => total + sum(side, figure), 0);
}

/** Quorum first, then the tie, then approval. Products may leave the safe integers, so they are taken as bigint. */
function decisionOf(
  { approval }: Ruleset,
  quorumNeed: number,
  eligible: number,
  { forWeight, againstWeight, abstainWeight, quorumCounted }: Figures,
): Pick<Tallied, "outcome" | "cause"> {
  if (quorumCounted < quorumNeed) return { outcome: "rejected", cause: "noQuorum" };
  if (forWeight === againstWeight) return { outcome: "rejected", cause: "tie" };
  const yesPlusNo = forWeight + againstWeight;
  const base = { yesPlusNo, cast: yesPlusNo + abstainWeight, eligible }[approval.base];
  const reached = BigInt(forWeight) * BigInt(approval.den);
  const needed = BigInt(approval.num) * BigInt(base);
  const isApproved = approval.comparison === "moreThan" ? reached > needed : reached >= needed;
  return { outcome: isApproved ? "adopted" : "rejected", cause: "majority" };
}

/** Every algorithm that ever counted, by the name that its records carry. One that counted stays. */
const algorithms: Readonly<Record<Tallied["algorithm"], (inputs: TallyInputs) => Tallied>> = { "minutebook-tally/1": tally1 };

/** The ballots counted by the algorithm of today. */
export const count = (inputs: TallyInputs): Tallied => algorithms["minutebook-tally/1"](inputs);

/** One place where two countings differ: the pointer of a figure in the record, or the stream of a ballot. */
export type Difference = { readonly at: string; readonly recorded: string; readonly recomputed: string };
export type Recount = { readonly equal: boolean; readonly recomputed: Tallied; readonly differences: readonly Difference[] };

/**
 * Counts again by the record's own algorithm and compares. `shown`, the choices by member that somebody was shown as counted (rows), are
 * compared ballot by ballot, so that a changed one is named.
 */
export function recount(recorded: Tallied, inputs: TallyInputs, shown?: ReadonlyMap<string, string>): Recount {
  const recomputed = algorithms[recorded.algorithm](inputs);
  // A stored record also carries fields of the format, which say how it was asked for and nothing about the count.
  const figures = Object.fromEntries(Object.keys(recomputed).map((name) => [name, recorded[name as keyof Tallied]]));
  const differences = [...figuresApart(figures, recomputed), ...(shown ? ballotsApart(inputs, shown) : [])];
  return { equal: differences.length === 0, recomputed, differences };
}

function figuresApart(recorded: unknown, recomputed: unknown, at = ""): Difference[] {
  if (typeof recorded !== "object" || recorded === null || typeof recomputed !== "object" || recomputed === null)
    return recorded === recomputed ? [] : [{ at, recorded: said(recorded), recomputed: said(recomputed) }];
  const names = new Set([...Object.keys(recorded), ...Object.keys(recomputed)]);
  return [...names]
    .sort()
    .flatMap((name) =>
      figuresApart((recorded as Record<string, unknown>)[name], (recomputed as Record<string, unknown>)[name], `${at}/${name}`),
    );
}

function ballotsApart({ proposalId, ballots }: TallyInputs, shown: ReadonlyMap<string, string>): Difference[] {
  const counted = new Map(ballots.map(({ memberId, choice }) => [memberId, choice]));
  const members = [...new Set([...shown.keys(), ...counted.keys()])].sort();
  return members.flatMap((memberId) => figuresApart(shown.get(memberId), counted.get(memberId), ballotStreamOf(proposalId, memberId)));
}

const said = (value: unknown) => (value === undefined ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));
