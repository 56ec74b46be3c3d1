/** What was found, in words: the same in a terminal and on the page. */
import { dueAt } from "../../../domain/log/signed/promise.ts";
import { standingInWords, type Standing } from "../../../domain/log/signed/policy.ts";
import type { ProvenFork } from "../../../domain/log/signed/fork.ts";
import type { PromiseResult } from "../../../domain/log/signed/promise-kept.ts";
import type { StreamResult } from "../../../domain/log/state/verify-stream.ts";
import type { BundleResult, Problem, ReceiptResult, StructureResult } from "../../../domain/log/verify.ts";

export type Finding = {
  /** 0: all good. 3: something does not verify. */
  readonly exit: 0 | 3;
  /** What it is that was looked at. */
  readonly about: readonly string[];
  readonly counts: readonly (readonly [what: string, count: number])[];
  readonly details: readonly string[];
  /** What was not checked. */
  readonly notes: readonly string[];
  readonly verdict: string;
  readonly problem?: Problem;
  /** False where the key was taken from what it should prove. */
  readonly isIdentityChecked: boolean;
};

export function bundleFinding(
  { exit, problem, counts, word, origin, from, to, standing, states, notes }: BundleResult,
  isIdentityChecked: boolean,
): Finding {
  const named = origin !== undefined;
  return {
    exit,
    about: named ? [`${origin}, leaves ${from} to ${to! - 1}`] : [],
    counts: named
      ? [
          ["verified", counts.verified],
          ["sealed", counts.sealed],
          ["declared erased", counts.declaredErased],
          ["withheld", counts.withheld],
          ["tampered", counts.tampered],
        ]
      : [],
    details: named
      ? [
          signedBy(standing),
          `${count(word.serversWord)} commands on the server's word, ${count(word.authHidden)} whose authorisation is sealed or withheld`,
          ...(states
            ? [`states committed: ${count(states.committed)}, the heads of all streams made again of ${count(states.compared)}`]
            : []),
        ]
      : [],
    notes,
    ...verdictOf(problem),
    isIdentityChecked,
  };
}

export function structureFinding(
  { exit, problem, origin, from, to, standing, notes }: StructureResult,
  isIdentityChecked: boolean,
): Finding {
  return {
    exit,
    about: origin === undefined ? [] : [`${origin}, leaves ${from} to ${to! - 1}`],
    counts: [],
    details: origin === undefined ? [] : [signedBy(standing)],
    notes,
    ...(problem ? verdictOf(problem) : { verdict: "These are the entries that were signed." }),
    isIdentityChecked,
  };
}

export function receiptFinding(result: ReceiptResult): Finding {
  const nothing = { counts: [], isIdentityChecked: true };
  if (result.exit === 3) return { exit: 3, about: [], details: [], notes: [], ...verdictOf(result.problem), ...nothing };
  const { entry, index, checkpoint, standing, shown, withheld } = result.receipt;
  return {
    exit: 0,
    about: [
      `${entry.type} (version ${entry.sv}), recorded ${entry.at} by ${entry.by}`,
      `stream ${entry.stream}, revision ${entry.rev}; leaf ${index} of ${checkpoint.size} of ${checkpoint.origin}`,
    ],
    details: [
      signedBy(standing),
      ...Object.entries(shown).map(([name, value]) => `${name} = ${JSON.stringify(value)}`),
      ...(withheld.length > 0 ? [`withheld: ${withheld.join(", ")}`] : []),
    ],
    notes: result.notes,
    ...verdictOf(),
    ...nothing,
  };
}

export function streamFinding(result: StreamResult): Finding {
  const nothing = { counts: [], isIdentityChecked: true };
  if (result.exit === 3) return { exit: 3, about: [], details: [], notes: [], ...verdictOf(result.problem), ...nothing };
  const { stream, entries, size, withheld, receipt, past } = result.proof;
  const { checkpoint, index, entry, standing } = receipt;
  return {
    exit: 0,
    about: [
      entries === 0 ? `There is no stream ${stream}` : `Stream ${stream} is whole: revisions 0 to ${count(entries - 1)}, none left out`,
      `in the state of the first ${count(size)} entries of ${checkpoint.origin}, committed at ${entry.at}`,
      ...(past ? [`of the first ${count(past.size)} entries of the log it has ${count(past.entries)}`] : []),
    ],
    details: [
      signedBy(standing),
      `the state is leaf ${index} of ${checkpoint.size}`,
      ...(withheld > 0 ? [`${count(withheld)} of its entries withhold something`] : []),
    ],
    notes: result.notes,
    ...verdictOf(),
    ...nothing,
  };
}

export function promiseFinding(result: PromiseResult): Finding {
  const nothing = { counts: [], details: [], isIdentityChecked: true };
  if ("problem" in result) return { exit: 3, about: [], notes: [], ...verdictOf(result.problem), ...nothing };
  const { exit, promised } = result;
  const about = [`A promise of ${promised.origin} at ${promised.at}: a checkpoint covers the entry until ${dueAt(promised)}`];
  if (result.fate === "kept") return { exit, about, notes: [], verdict: `KEPT: the entry is leaf ${result.leaf}.`, ...nothing };
  if (result.fate === "open") return { exit, about, notes: [result.reason], verdict: "The promise is the log's.", ...nothing };
  const verdict = `BROKEN: ${result.reason}. Keep the promise and the bundle: together they are evidence.`;
  return { exit, about, notes: [], verdict, problem: { reason: result.reason }, ...nothing };
}

/** Of one that proves nothing the reason is said. Status 3 either way. */
export function forkFinding(fork: ProvenFork | { readonly reason: string }, isIdentityChecked: boolean): Finding {
  const nothing = { exit: 3, counts: [], details: [] } as const;
  if ("reason" in fork) return { about: [], ...nothing, notes: [], ...verdictOf({ reason: fork.reason }), isIdentityChecked: true };
  const { first, second, key } = fork;
  const about = [`Two checkpoints of ${first.origin}`];
  const reason = `the log's key signed a tree of ${count(first.size)} entries and one of ${count(second.size)} that cannot be of one history`;
  const notes = isIdentityChecked ? [] : [`identity not checked: key taken from the file, ${key}`];
  return { about, ...nothing, notes, verdict: `FORK PROVEN: ${reason}.`, problem: { reason }, isIdentityChecked };
}

const signedBy = (standing: Standing | undefined) => `checkpoint: ${standingInWords(standing)}`;

function verdictOf(problem?: Problem): Pick<Finding, "verdict" | "problem"> {
  if (!problem) return { verdict: "All of it verifies." };
  const { leaf, stream, file, reason } = problem;
  const place = [leaf === undefined ? "" : `leaf ${leaf}`, stream === undefined ? "" : `stream ${stream}`, file ?? ""];
  return { verdict: `DOES NOT VERIFY: ${[...place.filter((part) => part !== ""), reason].join(" · ")}`, problem };
}

export function inWords({ about, counts, details, notes, verdict }: Finding): string {
  const lines = [
    ...about,
    ...counts.map(([what, number]) => `  ${what.padEnd(16)}${count(number).padStart(12)}`),
    ...details.map((detail) => `  ${detail}`),
    ...notes.map((note) => `Note: ${note}.`),
    verdict,
  ];
  return `${lines.join("\n")}\n`;
}

export function count(number: number): string {
  return number.toLocaleString("en");
}
