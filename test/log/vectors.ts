/** The worked values of the log format, typed. `log-format-v1.json` is a copy of what the format's page was published with. */
import { readFileSync } from "node:fs";
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import type { SealedField } from "../../domain/log/sealed.ts";

export type BundleVector = {
  readonly why: string;
  readonly manifest: JsonObject;
  readonly checkpoint: string;
  readonly entriesJsonl: string;
  readonly vkey?: string;
  readonly complete?: boolean;
  readonly exit: 0 | 3;
  readonly counts?: { readonly verified: number; readonly sealed: number; readonly "declared erased": number; readonly withheld: number };
};

type EventVector = {
  readonly key: string;
  readonly command?: { readonly name: string; readonly input: JsonObject };
  readonly data: JsonObject;
  readonly salts: Readonly<Record<string, string>>;
  readonly seals: Readonly<Record<string, JsonObject>>;
  readonly disclosures: Readonly<Record<string, string>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly entry: string;
  readonly entryHash: string;
  readonly storeId: string;
  readonly rootAfter: string;
};

export type Vectors = {
  readonly seed: string;
  readonly vkey: string;
  readonly log: string;
  readonly genesis: Readonly<Record<string, string>>;
  readonly commandNamespace: string;
  readonly madeId: { readonly cmd: string; readonly n: number; readonly id: string };
  readonly instanceKey: string;
  readonly derived: {
    readonly streamPart: { readonly context: string; readonly part: string; readonly value: string };
    readonly confidentialCommand: { readonly caller: string; readonly key: string; readonly cmd: string };
    readonly policyCaller: string;
    readonly policyKey: string;
    readonly policyCommand: string;
    readonly unlinkedKey: string;
  };
  readonly events: readonly EventVector[];
  readonly checkpoint: string;
  readonly bundles: readonly BundleVector[];
  readonly receipts: readonly {
    readonly why: string;
    readonly text: string;
    readonly vkey: string;
    readonly exit: 0 | 3;
    readonly shown?: JsonObject;
  }[];
  readonly notes: readonly { readonly why: string; readonly note: string; readonly vkey: string; readonly exit: 0 | 3 }[];
  readonly unseals: readonly {
    readonly why: string;
    readonly value: SealedField;
    readonly key: string;
    readonly event: string;
    readonly field: string;
    readonly opens?: string;
    readonly refused?: true;
  }[];
  readonly disclosureRefusals: readonly { readonly why: string; readonly disclosure: string }[];
  readonly entryRefusals: readonly { readonly why: string; readonly entry: string }[];
  readonly canonicalRefusals: readonly { readonly why: string; readonly json: string }[];
  readonly writerNormalises: readonly { readonly json: string; readonly to: string }[];
  readonly canonical: readonly { readonly json: string; readonly jcs: string }[];
};

export const vectors = read("log-format-v1.json") as Vectors;

export const workedExamples = read("tlog-worked-examples.json") as {
  readonly log: {
    readonly origin: string;
    readonly seed: string;
    readonly pub: string;
    readonly keyId01: string;
    readonly keyId04: string;
    readonly vkey: string;
  };
  readonly witness: { readonly name: string; readonly pub: string; readonly keyId04: string; readonly vkey: string };
  readonly leafData: readonly string[];
  readonly leafHashes: readonly string[];
  readonly roots: readonly string[];
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[];
  readonly consistency: readonly { readonly old: number; readonly new: number; readonly proof: readonly string[] }[];
  readonly checkpoint7: {
    readonly signedBytesHex: string;
    readonly note: string;
    readonly witnessed: string;
    readonly cosignedMessage: string;
  };
  readonly bundle7: string;
  readonly tile0_7_sha256: string;
  readonly files: Readonly<Record<"add-checkpoint-3-7.txt" | "consistency-3-7.txt" | "cosigned.checkpoint" | "leaf5.tlog-proof", string>>;
  readonly ed25519LowOrderEncodings: readonly string[];
};

/** Edge cases of Ed25519, and what each is about. */
export const ed25519Edges = read("ed25519-edges.json") as {
  readonly vectors: readonly (readonly [key: string, message: string, signature: string, flags: string])[];
};

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`vectors/${name}`, import.meta.url), "utf8"));
}
