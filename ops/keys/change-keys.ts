/** How an operator changes the log's key. Each step can be cut off anywhere: whoever asks again goes on where it ended. */
import type { Request } from "../../commands/handle.ts";
import { system } from "../../domain/caller.ts";
import { type Json, Malformed } from "../../domain/log/canonical-json.ts";
import { b64, equalBytes } from "../../domain/log/hash.ts";
import { type LogKeys, openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { recoveryMessage, recoveryName, renamingMessage } from "../../domain/log/verify/keys/recovery.ts";
import { formatVkey, parseVkey } from "../../domain/log/note.ts";
import { logKeys, type LogKeysState } from "../../domain/log-keys.ts";
import { reasonOf } from "../../domain/log/verify/examine.ts";
import type { Checkpoint } from "../../domain/log/verify/note.ts";
import { checkpointOf, firstCovering, newestCheckpoint } from "../../projections/checkpoints.ts";
import { leavesOf } from "../../projections/log-reads.ts";
import { keysFile } from "../../read-api/log-keys.ts";
import { signEd25519, verifyEd25519 } from "../crypto.ts";
import { commandNamed } from "../founding.ts";
import type { Instance } from "../instance.ts";
import { readStanding, type Standing, stateOf } from "../instance/streams.ts";
import { BadConfiguration, NotThere, Usage } from "../terminal.ts";
import { readSignerStatus } from "./signing-record.ts";
import { drawSigningKey, type SigningKey, signingKeysIn } from "./signing-keys.ts";

type On = Pick<Instance, "config" | "log" | "database" | "origin" | "handler" | "ambient">;

/** What became of the log's key. `given` are the keys that lie here and sign no more. */
export type Changed = {
  readonly from: string;
  readonly to: string;
  readonly leaf: number;
  readonly lies: string;
  readonly given: readonly SigningKey[];
};

const signedMs = 15_000;
const lookMs = 100;

export async function keysNow({ log }: Pick<Instance, "log">): Promise<LogKeysState & { readonly events: readonly Standing[] }> {
  const events = await readStanding(log, "log");
  return { ...stateOf(logKeys, events), events };
}

/** The next key, drawn where none lies here that the log has not had yet. Durable before it is answered. */
export function nextKey({ config, origin }: Pick<Instance, "config" | "origin">, { keys, recovery }: LogKeysState): SigningKey {
  const standing = recovery === undefined ? undefined : parseVkey(recovery).publicKey;
  const isFree = ({ vkey }: SigningKey) => !keys.includes(vkey) && !(standing && equalBytes(parseVkey(vkey).publicKey, standing));
  const free = signingKeysIn(config, origin).find(isFree);
  if (free) return free;
  if (config.signingKey === undefined) return drawSigningKey(config.home, origin);
  throw new BadConfiguration(
    "MINUTEBOOK_SIGNING_KEY holds no key that the log has not had yet: put the next one behind the old, with a comma between (head -c 32 /dev/urandom | basenc --base64url | tr -d =), and start again",
  );
}

/** Has the next key sign the log. One that was recorded and is not signed yet is waited for, and no other is made. */
export async function rotate(on: On): Promise<Changed> {
  const now = await keysNow(on);
  if (!(await isSigned(on, now.events.at(-1)!))) return signedChange(on);
  await ask(on, "RotateLogKey", { from: now.keys.at(-1)!, to: nextKey(on, now).vkey });
  return signedChange(on);
}

/**
 * Records that the recovery key gives the log another signing key. `size` is that of the last good tree, the newest published unless it is
 * told. Nothing is signed yet: that takes the new key, and a process that signs.
 */
export async function recover(on: On, secret: Uint8Array, size: number | undefined): Promise<{ readonly to: string }> {
  const now = await keysNow(on);
  const { publicKey, sign } = signEd25519(secret);
  const last = now.events.at(-1)!;
  const isWaiting =
    last.type === "LogKeyRotated" && (last.data as { recovery?: object }).recovery !== undefined && !(await isSigned(on, last));
  if (isWaiting) return { to: now.keys.at(-1)! };
  if (now.recovery === undefined) throw new Usage("this log named no recovery key: nobody but its signing key can give it another");
  if (now.recovery !== formatVkey(recoveryName(on.origin), publicKey))
    throw new Usage(`this is not the secret of the log's recovery key, ${now.recovery}`);
  const good = await goodTree(on, size, now.recovery);
  const [from, to] = [now.keys.at(-1)!, nextKey(on, now).vkey];
  const signature = await sign(recoveryMessage({ ...good, from, to }));
  await ask(on, "RotateLogKey", { from, to, recovery: { size: good.size, root: b64(good.root), signature: b64(signature) } });
  return { to };
}

/** Names a recovery key. Where one stands its secret must be given. */
export async function nameRecovery(on: On, vkey: string, secret: Uint8Array | undefined): Promise<void> {
  const { recovery } = await keysNow(on);
  if (recovery === vkey) return;
  const { origin } = on;
  const signature =
    recovery !== undefined && secret && (await signEd25519(secret).sign(renamingMessage({ origin, from: recovery, to: vkey })));
  await ask(on, "NameRecoveryKey", { vkey, ...(signature && { signature: b64(signature) }) });
}

/**
 * A tree that was published and that the recovery key can vouch for, as every verifier will judge it. Order: before anything is recorded,
 * for a recovery that does not verify would stand in the log for ever.
 */
async function goodTree(on: On, size: number | undefined, recovery: string): Promise<Checkpoint> {
  const { query } = on.database;
  const published = size === undefined ? await newestCheckpoint(query) : await checkpointOf(query, size);
  if (!published) throw new Usage(size === undefined ? "no checkpoint was published yet" : `no checkpoint was published of size ${size}`);
  const keys = await historyOf(on);
  const named = keys.changes.find((change) => change.kind === "naming" && change.vkey === recovery);
  if (!named) throw new NotThere("the recovery key was named, but no tree that holds that is signed yet");
  if (named.checkpoint.size > published.size)
    throw new Usage(`the recovery key was named later: it can vouch for no tree of fewer than ${named.checkpoint.size} entries`);
  if (keys.givenUpAt(published.size)) throw new Usage(`the tree of ${published.size} entries was given up by a recovery before`);
  return keys.openAnyway(published.note, verifyEd25519);
}

/** The log's keys as everybody is shown them. */
async function historyOf(on: On): Promise<LogKeys> {
  try {
    const { size } = (await newestCheckpoint(on.database.query))!;
    return await openKeys((await keysFile(on, size)).text, { verify: verifyEd25519 });
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new NotThere(`the history of the log's keys does not verify: ${reasonOf(fault)}; keep every key`);
  }
}

async function ask({ handler }: On, name: "RotateLogKey" | "NameRecoveryKey", input: { readonly [field: string]: Json }): Promise<void> {
  const command = commandNamed(name);
  const request: Request = { command, caller: system("signer"), key: `${command.path}/${(input["to"] ?? input["vkey"]) as string}`, input };
  const answer = await handler.handle(request);
  if (answer.kind === "accepted") return;
  const { code, detail, status } = answer.problem;
  throw status === 503 ? new NotThere(detail) : new Usage(`${code}: ${detail}`);
}

/** Whether a tree that holds this event was published. */
async function isSigned({ database }: Pick<On, "database">, { happened }: Standing): Promise<boolean> {
  const leaf = (await leavesOf(database, [happened.id], Number.MAX_SAFE_INTEGER)).get(happened.id);
  return leaf !== undefined && (await firstCovering(database.query, leaf)) !== undefined;
}

/** Once the last change is in a published tree that everybody can follow it to: until then the key before it is still needed. */
export async function signedChange(on: On): Promise<Changed> {
  const { keys, events } = await keysNow(on);
  const { data, happened } = events.findLast(({ type }) => type === "LogKeyRotated")!;
  const { from, to } = data as { from: string; to: string };
  for (let waited = 0; !(await isSigned(on, events.at(-1)!)); waited += lookMs) {
    if (waited >= signedMs) {
      const { status = "has not run here", reason } = readSignerStatus(on.config.home) ?? {};
      const why = `the signer: ${status}${reason === undefined ? "" : `: ${reason}`}`;
      throw new NotThere(
        `the change to ${to} is recorded, but no tree that holds it is signed yet; keep every key and come again (${why})`,
      );
    }
    await on.ambient.wait(lookMs);
  }
  const walked = await historyOf(on);
  if (walked.latest !== to) throw new NotThere(`the log's key is ${walked.latest} by now`);
  const own = signingKeysIn(on.config, on.origin);
  const leaf = (await leavesOf(on.database, [happened.id], Number.MAX_SAFE_INTEGER)).get(happened.id)!;
  const lies = own.find(({ vkey }) => vkey === to)?.lies ?? "elsewhere";
  return { from, to, leaf, lies, given: own.filter(({ vkey }) => vkey !== to && keys.includes(vkey)) };
}
