/** A log of four entries whose state is committed, the same bytes whenever it is made: the worked example of `docs/verifying.md`. */
import { bundleLine } from "../../domain/log/bundle.ts";
import { canonical, type JsonObject } from "../../domain/log/canonical-json.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { writeEntry } from "../../domain/log/entry.ts";
import { b64u, digest, hex, sha256 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace, eventId, genesisHash } from "../../domain/log/ids.ts";
import { inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { commit } from "../../domain/log/payload.ts";
import { writeReceipt } from "../../domain/log/proof.ts";
import { HeadsTree, streamProofHead } from "../../domain/log/state/stream-proof.ts";
import { headLeaf, reducerDigest, rowLeaf, Roots } from "../../domain/log/state/trees.ts";
import { signEd25519 } from "../../ops/crypto.ts";

const origin = "minutes.example.org/log";
type Written = { readonly text: string; readonly hash: Uint8Array; readonly data: JsonObject; readonly salts: Record<string, string> };

/** A projection of one table, and its two rows. */
const reducer = { name: "notes", version: 1, tables: [{ name: "note", key: ["id"], columns: { id: "text not null", words: "bigint" } }] };
const rows = [
  { id: "a", words: 2 },
  { id: "b", words: null },
];

class ExampleLog {
  readonly heads = new Map<string, { revision: number; hash: Uint8Array }>();
  readonly entries: Written[] = [];

  write(stream: string, by: string, key: string, type: string, fields: JsonObject): Written {
    const nth = this.entries.length;
    const cmd = commandId(commandNamespace(origin), by, key);
    const data = { ...fields, ".command": { input: digest(canonical(fields)), name: "an-example" } };
    const salts = Object.fromEntries(Object.keys(data).map((name) => [name, b64u(sha256(`salt ${nth} ${name}`).subarray(0, 16))]));
    const before = this.heads.get(stream);
    const entry = writeEntry({
      v: 1,
      log: origin,
      id: eventId(cmd, stream, 0),
      stream,
      rev: before ? before.revision + 1 : 0,
      prev: b64u(before?.hash ?? genesisHash(origin, stream)),
      type,
      sv: 1,
      at: `2026-11-20T08:00:0${nth}.000Z`,
      by,
      cmd,
      payload: commit(data, salts).payload,
    });
    const written = { ...entry, data, salts };
    this.heads.set(stream, { revision: before ? before.revision + 1 : 0, hash: entry.hash });
    this.entries.push(written);
    return written;
  }
}

export async function streamExample() {
  const { publicKey, sign } = signEd25519(sha256("the signing key of the example"));
  const vkey = formatVkey(origin, publicKey);
  const log = new ExampleLog();
  log.write("log", "system:genesis", `open-log/${origin}`, "LogOpened", { format: "minutebook-log/1", origin, vkey });
  const notes = ["Two words", "No"].map((text, n) => log.write("notes", "ana", `the-key-of-note-${n}`, "NoteWritten", { text }));
  const sorted = [...log.heads].map(([stream, head]) => ({ stream, ...head })).sort((a, b) => (a.stream < b.stream ? -1 : 1));
  const tree = new HeadsTree(sorted);
  const headRoots = new Roots();
  for (const head of sorted) headRoots.add(headLeaf(head));
  const rowRoots = new Roots();
  for (const row of rows) rowRoots.add(rowLeaf("note", row));
  const projections = [{ name: "notes", version: 1, size: 3, reducer: reducerDigest(reducer), root: rowRoots.root() }];
  const state = log.write("state", "system:state", "state/3", "StateCommitted", {
    size: 3,
    streams: 2,
    heads: headRoots.root(),
    projections,
  });

  const hashes = log.entries.map(({ hash }) => hash);
  const node = (level: number, index: number) => rootOf(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const place = async (index: number) => ({ index, path: await inclusionProof(index, hashes.length, node) });
  const isPublic = (field: string) => !field.startsWith(".");
  const receipt = writeReceipt({
    entry: state.text,
    data: state.data,
    salts: state.salts,
    shows: (field) => isPublic(field) && field !== "projections",
    ...(await place(3)),
    checkpoint: await signCheckpoint({ origin, size: 4, root: rootOf(hashes) }, publicKey, sign),
  });
  const past = { size: 2, entries: 1, below: await place(1), above: await place(2) };
  const lines = notes.map(({ text, data, salts }) => bundleLine(text, { data, salts, shows: isPublic })).join("");
  return {
    about: "A stream proof of each kind, of one log of four entries. Made by test/state/example.ts.",
    vkey,
    heads: sorted.map((head) => ({
      data: canonical([head.stream, head.revision, b64u(head.hash)]),
      leaf: hex(headLeaf(head)),
    })),
    headsRoot: headRoots.root(),
    reducer: {
      declared: canonical({ ...reducer, tables: reducer.tables.map((table) => ({ ...table, history: false })) }),
      digest: reducerDigest(reducer),
    },
    rows: rows.map((row) => ({ data: canonical(["note", row]), leaf: hex(rowLeaf("note", row)) })),
    rowsRoot: rowRoots.root(),
    whole: (await streamProofHead({ stream: "notes", receipt, tree })) + lines,
    past: (await streamProofHead({ stream: "notes", receipt, tree, past })) + lines,
    absent: await streamProofHead({ stream: "letters", receipt, tree }),
  };
}
