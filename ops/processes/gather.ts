/** Asks cosigners for their word on the newest checkpoint, each by itself and one question at a time, and keeps what they say. */
import { Malformed } from "../../domain/log/canonical-json.ts";
import { utf8 } from "../../domain/log/hash.ts";
import { consistencyProof } from "../../domain/log/merkle.ts";
import { formatNote, parseNote } from "../../domain/log/note.ts";
import { writeAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { cosignaturesOf } from "../../domain/log/signed/cosignature.ts";
import type { Cosigner, Policy } from "../../domain/log/signed/policy.ts";
import { type Published, newestCheckpoint } from "../../projections/checkpoints.ts";
import { keepCosignature, lastCosignature } from "../../projections/cosignatures.ts";
import { nodesOf, treeHead } from "../../projections/log-reads.ts";
import { verifyEd25519 } from "../crypto.ts";
import type { Reach } from "../sending/addresses.ts";
import { openSender, type Sender } from "../sending/send.ts";
import type { SignerRun } from "./signer.ts";

export type Gathering = {
  readonly policy: Policy;
  readonly reach: Reach;
  /** Told what became of each question. */
  readonly told?: (told: { readonly cosigner: string; readonly answer: Outcome["kind"]; readonly status?: number }) => void;
};

const lookMs = 100;
const answerMs = 5_000;
/** A newer word on the same tree shows that the cosigner still watches. */
const againSeconds = 300;
const restMs = { first: 500, most: 60_000 };
/** A refusal says that histories differ: asking often does not mend it. */
const refusedRestMs = 60_000;
/** Others may have it cosign between two of our questions. */
const movesMax = 3;
const clockAheadSeconds = 300;
/** Cosignatures of other kinds that come in the same answer are long. */
const answerBytesMax = 16 * 1024;

/** Runs beside the signing while the lock is held. `held` throws when it no longer is. */
export async function keepGathering(
  run: SignerRun,
  { policy, reach, told }: Gathering,
  held: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const sender = openSender({ reach, connectionsMax: 1, headBytes: answerBytesMax });
  // What is under way is not waited for.
  signal.addEventListener("abort", () => void sender.close(), { once: true });
  try {
    await Promise.all(policy.cosigners.map((cosigner) => askForEver(run, cosigner, { sender, told: told ?? (() => {}) }, held, signal)));
    // Nobody to ask: the signing goes on.
    while (!signal.aborted) await run.ambient.wait(lookMs);
  } finally {
    await sender.close();
  }
}

type Outcome =
  | { readonly kind: "cosigned"; readonly status: number }
  /** Comes again at once, from this size. */
  | { readonly kind: "elsewhere"; readonly status: number; readonly size: number }
  | { readonly kind: "away"; readonly status?: number; readonly reason: string }
  | { readonly kind: "refused"; readonly status?: number; readonly reason: string };

async function askForEver(
  run: SignerRun,
  cosigner: Cosigner,
  { sender, told }: { readonly sender: Sender; readonly told: NonNullable<Gathering["told"]> },
  held: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { ambient, vault, logger } = run;
  const { url, vkey, name } = cosigner;
  if (url === undefined) return;
  const nowMs = () => Date.parse(ambient.now());
  let last = await lastCosignature(vault.query, vkey);
  let from = last?.size ?? 0;
  let [restsUntil, rest] = [0, restMs.first];
  let moves = 0;
  let said = "";
  while (!signal.aborted) {
    const newest = nowMs() >= restsUntil ? await newestCheckpoint(vault.query) : undefined;
    const isDue = newest && (newest.size > (last?.size ?? 0) || nowMs() / 1000 >= (last?.time ?? 0) + againSeconds);
    if (!isDue) {
      await ambient.wait(lookMs);
      continue;
    }
    await held();
    const answer = await ask(run, { ...cosigner, url }, sender, newest, from);
    moves = answer.kind === "elsewhere" ? moves + 1 : 0;
    // One that names another size each time would be asked without end.
    const outcome: Outcome = moves > movesMax ? { kind: "away", status: 409, reason: "names another size each time" } : answer;
    told({ cosigner: name, answer: outcome.kind, ...(outcome.status !== undefined && { status: outcome.status }) });
    const now = outcome.kind === "refused" || outcome.kind === "away" ? `${outcome.kind}: ${outcome.reason}` : outcome.kind;
    if (outcome.kind !== "elsewhere" && now !== said) {
      logger[outcome.kind === "refused" ? "error" : outcome.kind === "away" ? "warn" : "info"](
        { part: "cosigners", cosigner: name },
        `the cosigner ${name}: ${(said = now)}`,
      );
    }
    if (outcome.kind === "elsewhere") from = outcome.size;
    else if (outcome.kind === "cosigned") {
      last = await lastCosignature(vault.query, vkey);
      from = newest.size;
      rest = restMs.first;
    } else {
      // From nothing: its answer names the size that it knows.
      from = 0;
      restsUntil = nowMs() + (outcome.kind === "refused" ? refusedRestMs : rest);
      rest = Math.min(2 * rest, restMs.most);
    }
  }
}

async function ask(
  { database, vault, ambient }: SignerRun,
  { url, vkey, key }: Cosigner & { readonly url: string },
  sender: Sender,
  { size, note }: Published,
  old: number,
): Promise<Outcome> {
  const tree = await treeHead(database);
  if (!tree || tree.frontier.size < size) return { kind: "away", reason: "the rows of the tree are being made again" };
  const proof = await consistencyProof(old, size, nodesOf(database));
  const { answered } = await sender.send({
    method: "POST",
    url: `${url}/add-checkpoint`,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: utf8(writeAddCheckpoint({ old, proof, checkpoint: note })),
    deadlineMs: answerMs,
  });
  if (answered.kind === "failed") return { kind: "away", reason: `${answered.name}: ${answered.detail}` };
  const { status } = answered;
  const body = Buffer.from(answered.head).toString("utf8");
  if (status === 409 && answered.headers["content-type"]?.startsWith("text/x.tlog.size")) return elsewhere(body, old, size);
  if (status === 429 || status >= 500) return { kind: "away", status, reason: `answers ${status}` };
  if (status !== 200) return { kind: "refused", status, reason: `answers ${status}: ${body.split("\n")[0]!.slice(0, 200)}` };
  const line = await lineOf(body, note, key);
  if (typeof line === "string") return { kind: "refused", status, reason: line };
  if (line.time > Date.parse(ambient.now()) / 1000 + clockAheadSeconds)
    return { kind: "refused", status, reason: "its cosignature is of the future" };
  await keepCosignature(vault.query, { size, cosigner: vkey, ...line });
  return { kind: "cosigned", status };
}

/** It cosigned another size last than the one that was named. */
function elsewhere(body: string, old: number, size: number): Outcome {
  const [, text] = /^(0|[1-9]\d{0,15})\n$/.exec(body) ?? [];
  if (text === undefined) return { kind: "refused", status: 409, reason: "answers 409 with no size" };
  const known = Number(text);
  // Either it was quicker than we looked, or this log was put back to an older state.
  if (known > size)
    return { kind: "refused", status: 409, reason: `it cosigned a tree of ${known} entries, and this log's last checkpoint has ${size}` };
  return known === old
    ? { kind: "away", status: 409, reason: "answers 409 with the size that it was asked from" }
    : { kind: "elsewhere", status: 409, size: known };
}

/** The line of the key that was asked, which verifies; lines of others are dropped. A text says what is wrong. */
async function lineOf(
  body: string,
  note: string,
  key: Cosigner["key"],
): Promise<{ readonly line: string; readonly time: number } | string> {
  try {
    const { text } = parseNote(note);
    for (const line of body.split("\n").slice(0, -1)) {
      const [word] = await cosignaturesOf(formatNote(text, [`${line}\n`]), [key], verifyEd25519);
      if (word) return { line: `${line}\n`, time: word.time };
    }
    return "its answer holds no cosignature of its key";
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return `its answer: ${fault.message}`;
  }
}
