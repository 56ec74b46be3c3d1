/**
 * Stream proofs as a verifier reads them: a stream whole, from revision 0 to the head that a signed state of the log commits to, or that
 * there was no such stream. Its own code: it shares nothing with what writes them but canonical JSON and hashing.
 */
import { Malformed, parseCanonical, type Json, type JsonObject } from "../canonical-json.ts";
import { fromB64, sha256, uuidV5 } from "../hash.ts";
import type { Problem } from "../verify/checker.ts";
import { examineLine, reasonOf, type LogKey, type Place, type Told } from "../verify/examine.ts";
import type { VerifyEd25519 } from "../verify/note.ts";
import { assertDigest, isObject } from "../verify/payload.ts";
import { verifyReceipt, type Receipt, type SignedByKeys } from "../verify/receipt.ts";
import { checkInclusion } from "../verify/tree.ts";
import type { Standing } from "../signed/policy.ts";

/** What a good stream proof proves. */
export type StreamProof = {
  readonly stream: string;
  /** How many entries the stream had among the first `size` of the log; none where there was no such stream. */
  readonly entries: number;
  readonly size: number;
  /** How many of them withhold something. */
  readonly withheld: number;
  /** The `StateCommitted` that says so. */
  readonly receipt: Receipt;
  /** How many of them stood among so many first entries of the log. */
  readonly past?: { readonly size: number; readonly entries: number };
};

export type StreamResult =
  | { readonly exit: 0; readonly proof: StreamProof; readonly notes: readonly string[] }
  | { readonly exit: 3; readonly problem: Problem; readonly notes: readonly string[] };

export type StreamOptions = {
  /** From the user: a stream proof says nothing of whose log it is of. */
  readonly vkey: string;
  readonly keys?: SignedByKeys | undefined;
  readonly verify: VerifyEd25519;
  readonly cosigners?: ((note: string) => Promise<Standing>) | undefined;
};

const format = "minutebook-stream/1";
const streamForm = /^[A-Za-z0-9._:-]{1,200}$/;
const urlNamespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

/** Whether a file says that it is one; its beginning is enough. */
export const isStreamProof = (text: string): boolean => text.startsWith(`{"format":"minutebook-stream/`);

export async function verifyStream(text: string, options: StreamOptions): Promise<StreamResult> {
  let stream: string | undefined;
  try {
    const lines = text.split("\n");
    const rest = lines.pop();
    const head = readHead(lines[0] ?? rest ?? "");
    ({ stream } = head);
    if (rest !== "")
      throw new Malformed(lines.length === 0 ? "the first line is not ended" : `revision ${lines.length - 1}: its line is not ended`);
    const found = await verifyReceipt(head.receipt, options);
    if (found.exit === 3) throw new Malformed(`the receipt of the state: ${found.problem.reason}`);
    const state = readState(found.receipt);
    const log = state.receipt.checkpoint.origin;
    const chain = checkChain(lines.slice(1), stream, { log, vkey: options.vkey });
    if ("gap" in head) checkGap(head.gap, head, state, chain.hashes.length);
    else checkHead(head.head, head, state, chain.hashes);
    const { past } = head;
    if (past) checkPast(past, state, chain.hashes);
    const proof: StreamProof = {
      stream,
      entries: chain.hashes.length,
      size: state.size,
      withheld: chain.withheld,
      receipt: state.receipt,
      ...(past && { past: { size: past.size, entries: past.entries } }),
    };
    return { exit: 0, proof, notes: ["not in a stream proof: that the state itself is that of the log, and what stands at leaf 0"] };
  } catch (fault) {
    return { exit: 3, problem: { ...(stream !== undefined && { stream }), reason: reasonOf(fault) }, notes: [] };
  }
}

/** A place in a tree, and the hashes from there to its root. */
type Proven = { readonly index: number; readonly path: readonly Uint8Array[] };
type Neighbour = { readonly stream: string; readonly leaf: Uint8Array; readonly path: readonly Uint8Array[] };
type Gap = { readonly index: number; readonly before?: Neighbour; readonly after?: Neighbour };
type Past = { readonly size: number; readonly entries: number; readonly below?: Proven; readonly above?: Proven };
type FileHead = { readonly stream: string; readonly receipt: string; readonly past?: Past } & (
  { readonly head: Proven } | { readonly gap: Gap }
);

function readHead(line: string): FileHead {
  const value = parseCanonical(line);
  if (!isObject(value) || value["format"] !== format) throw new Malformed(`not the format ${format}`, "/format");
  const isAbsent = Object.hasOwn(value, "gap");
  assertMembers(value, ["format", isAbsent ? "gap" : "head", "receipt", "stream"], ["past"], "");
  const { stream, receipt, past } = value;
  if (typeof stream !== "string" || !streamForm.test(stream)) throw new Malformed("not a stream's name", "/stream");
  if (typeof receipt !== "string") throw new Malformed("not a receipt", "/receipt");
  const about = { stream, receipt, ...(past !== undefined && { past: readPast(past) }) };
  return isAbsent ? { ...about, gap: readGap(value["gap"]) } : { ...about, head: readProven(value["head"], "/head") };
}

function readGap(value: Json | undefined): Gap {
  const gap = assertMembers(value, ["index"], ["after", "before"], "/gap");
  const { before, after } = gap;
  return {
    index: readNumber(gap["index"], "/gap/index"),
    ...(before !== undefined && { before: readNeighbour(before, "/gap/before") }),
    ...(after !== undefined && { after: readNeighbour(after, "/gap/after") }),
  };
}

function readNeighbour(value: Json, pointer: string): Neighbour {
  const { stream, rev, hash, path } = assertMembers(value, ["hash", "path", "rev", "stream"], [], pointer);
  if (typeof stream !== "string" || !streamForm.test(stream)) throw new Malformed("not a stream's name", `${pointer}/stream`);
  assertDigest(hash!, `${pointer}/hash`);
  return { stream, leaf: leafOf(stream, readNumber(rev, `${pointer}/rev`), hash), path: readPath(path, `${pointer}/path`) };
}

function readPast(value: Json): Past {
  const { size, entries, below, above } = assertMembers(value, ["entries", "size"], ["above", "below"], "/past");
  return {
    size: readNumber(size, "/past/size"),
    entries: readNumber(entries, "/past/entries"),
    ...(below !== undefined && { below: readProven(below, "/past/below") }),
    ...(above !== undefined && { above: readProven(above, "/past/above") }),
  };
}

function readProven(value: Json | undefined, pointer: string): Proven {
  const { index, path } = assertMembers(value, ["index", "path"], [], pointer);
  return { index: readNumber(index, `${pointer}/index`), path: readPath(path, `${pointer}/path`) };
}

function readPath(value: Json | undefined, pointer: string): readonly Uint8Array[] {
  if (!Array.isArray(value)) throw new Malformed("not a path", pointer);
  return (value as readonly Json[]).map((text, at) => {
    const hash = typeof text === "string" ? fromB64(text) : undefined;
    if (hash?.length !== 32) throw new Malformed("not the base64 of 32 bytes", `${pointer}/${at}`);
    return hash;
  });
}

function readNumber(value: Json | undefined, pointer: string): number {
  if (typeof value !== "number" || value < 0) throw new Malformed("not a number from 0", pointer);
  return value;
}

function assertMembers(value: Json | undefined, needed: readonly string[], allowed: readonly string[], pointer: string): JsonObject {
  if (!isObject(value)) throw new Malformed("not an object", pointer);
  for (const name of needed) if (!Object.hasOwn(value, name)) throw new Malformed(`without \`${name}\``, pointer);
  for (const name of Object.keys(value))
    if (!needed.includes(name) && !allowed.includes(name)) throw new Malformed("a member that it does not have", `${pointer}/${name}`);
  return value;
}

type State = { readonly receipt: Receipt; readonly size: number; readonly streams: number; readonly heads: Uint8Array };

/** The entry must be the one by which the machine itself commits to a state of this size. */
function readState(receipt: Receipt): State {
  const { entry, index, shown } = receipt;
  if (entry.type !== "StateCommitted" || entry.sv !== 1) throw new Malformed("the receipt is not of a StateCommitted of version 1");
  if (entry.stream !== "state" || entry.by !== "system:state") throw new Malformed("the state was not committed by the machine itself");
  for (const name of ["heads", "size", "streams"])
    if (!Object.hasOwn(shown, name)) throw new Malformed(`the receipt of the state does not show \`${name}\``);
  const [size, streams] = [readNumber(shown["size"], "/size"), readNumber(shown["streams"], "/streams")];
  const { heads } = shown;
  assertDigest(heads!, "/heads");
  const command = uuidV5(uuidV5(urlNamespace, `minutebook/command/v1\n${entry.log}`), `system:state\nstate/${size}`);
  if (entry.cmd !== command || entry.id !== uuidV5(command, "state\n0"))
    throw new Malformed(`the state of ${size} entries is not by the command of that size`);
  if (size > index) throw new Malformed(`a state of ${size} entries that stands at leaf ${index}`);
  if (streams > size) throw new Malformed(`${streams} streams in ${size} entries`);
  return { receipt, size, streams, heads: bytesOf(heads) };
}

const bytesOf = (digest: string) => fromB64(`${digest.replaceAll("-", "+").replaceAll("_", "/")}=`)!;

/** No character of a stream's name needs an escape. */
const leafOf = (stream: string, revision: number, hash: string) => sha256(`\0["${stream}",${revision},"${hash}"]`);

type Chain = { readonly hashes: readonly string[]; readonly withheld: number };

/** Every entry in its place: one stream, no revision left out, each linked to the one before it, ids that follow from places. */
function checkChain(lines: readonly string[], stream: string, key: LogKey): Chain {
  const hashes: string[] = [];
  const commands = new Set<string>();
  let before: (Place & { readonly nth: number }) | undefined;
  let withheld = 0;
  for (const [revision, line] of lines.entries()) {
    const refuse = (reason: string) => new Malformed(`revision ${revision}: ${reason}`);
    const examined = examineLine(line, key);
    if (!("place" in examined)) throw refuse(examined.reason);
    const { place, payload, hash } = examined;
    if (place.stream !== stream) throw refuse(`an entry of the stream ${place.stream}`);
    if (place.rev !== revision) throw refuse(`revision ${place.rev} stands in its place`);
    if (revision === 0 ? !place.isGenesis : place.prev !== hashes[revision - 1])
      throw refuse(revision === 0 ? "prev is not the genesis hash of the stream" : "prev is not the hash of the entry before it");
    if (before && place.at < before.at) throw refuse("recorded before the entry before it");
    const continues = before?.cmd === place.cmd;
    const nth = continues ? before!.nth + 1 : 0;
    if (continues && before!.by !== place.by) throw refuse("another actor than in the entry before it of the same command");
    if (!continues && commands.has(place.cmd)) throw refuse("its command stands in this stream already");
    commands.add(place.cmd);
    if (place.id !== uuidV5(place.cmd, `${stream}\n${nth}`)) throw refuse("the id is not derived from its place");
    if (place.type === "LogOpened" && (stream !== "log" || revision > 0)) throw refuse("a second LogOpened");
    if ("refused" in payload) throw refuse(payload.refused);
    const fault = faultOfCommand(payload, nth === 0) ?? payload.destroyedFault;
    if (fault !== undefined) throw refuse(fault);
    if (payload.isWithheld) withheld++;
    hashes.push(hash);
    before = { ...place, nth };
  }
  return { hashes, withheld };
}

function faultOfCommand({ isTold, hasCommand, hasAuth }: Told, isFirst: boolean): string | undefined {
  if (isFirst) return isTold && !hasCommand ? "the first event of a command without `.command`" : undefined;
  return hasCommand || hasAuth ? "a later event of a command with `.command` or `.auth`" : undefined;
}

function checkHead({ index, path }: Proven, { stream }: FileHead, { size, streams, heads }: State, hashes: readonly string[]): void {
  const revision = hashes.length - 1;
  if (revision < 0) throw new Malformed("there are no entries, though the stream is said to exist");
  if (checkInclusion(index, streams, leafOf(stream, revision, hashes[revision]!), path, heads)) return;
  throw new Malformed(`revision ${revision}: it is not the head of the stream in the state of ${size} entries`);
}

/** The heads are sorted by stream, so two that stand side by side leave room for none between them. */
function checkGap({ index, before, after }: Gap, { stream }: FileHead, { size, streams, heads }: State, entries: number): void {
  if (entries > 0) throw new Malformed("there are entries, though the stream is said not to exist");
  if (index > streams || (before === undefined) !== (index === 0) || (after === undefined) !== (index === streams))
    throw new Malformed("both heads beside the gap are given, but at the ends of the tree", "/gap");
  for (const [neighbour, at, name] of [
    [before, index - 1, "before"],
    [after, index, "after"],
  ] as const)
    if (neighbour && !checkInclusion(at, streams, neighbour.leaf, neighbour.path, heads))
      throw new Malformed(`the head ${name} the gap is not in the state of ${size} entries`, `/gap/${name}`);
  if ((before && before.stream >= stream) || (after && after.stream <= stream))
    throw new Malformed("the stream does not belong between these two", "/gap");
}

/** The last entry below a size of the log, and the first that is not: a stream's entries stand in the log in their own order. */
function checkPast(past: Past, { receipt, size }: State, hashes: readonly string[]): void {
  const { entries, below, above } = past;
  if (past.size > size) throw new Malformed(`asked as of ${past.size} entries, of which the state knows only ${size}`, "/past/size");
  if (entries > hashes.length) throw new Malformed("more entries than the stream has", "/past/entries");
  if ((below === undefined) !== (entries === 0) || (above === undefined) !== (entries === hashes.length))
    throw new Malformed("the last entry below the size and the first above it are given where there are such", "/past");
  const { checkpoint } = receipt;
  const stands = ({ index, path }: Proven, revision: number) => {
    const hash = bytesOf(hashes[revision]!);
    if (!checkInclusion(index, checkpoint.size, hash, path, checkpoint.root))
      throw new Malformed(`revision ${revision}: it is not at leaf ${index} of the signed tree`, "/past");
  };
  if (below) {
    stands(below, entries - 1);
    if (below.index >= past.size)
      throw new Malformed(`revision ${entries - 1}: recorded after the first ${past.size} entries`, "/past/below");
  }
  if (above) {
    stands(above, entries);
    if (above.index < past.size) throw new Malformed(`revision ${entries}: recorded among the first ${past.size} entries`, "/past/above");
  }
}
