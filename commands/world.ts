import type { Question } from "../domain/decider.ts";
import type { Cipher } from "../domain/log/sealed.ts";
import type { EventLog, Position } from "../domain/log/event-log.ts";

/** What the write path is handed: everything that is not a pure function. */
export type World = {
  readonly log: EventLog;
  /** The log's origin: part of every entry and id. */
  readonly origin: string;
  /** UTC with milliseconds. */
  readonly now: () => string;
  readonly random: (length: number) => Uint8Array;
  /** Resolves after so many milliseconds. */
  readonly wait: (ms: number) => Promise<void>;
  readonly cipher: Cipher;
  readonly keys: SubjectKeys;
  /** Names guessable and personal parts of stream names (the log format, §2). */
  readonly instanceKey: Uint8Array;
  /** The Ed25519 public key of a seed of 32 bytes. */
  readonly publicKeyOf: (seed: Uint8Array) => Uint8Array;
  readonly facts: Facts;
  readonly seen: CommandsSeen;
};

export type SubjectKey = { readonly id: string; readonly key: Uint8Array };
export type SubjectKeys = {
  /** The keys to seal with, made (durably, before this resolves) for subjects that have none yet. */
  sealing(subjects: readonly string[]): Promise<ReadonlyMap<string, SubjectKey>>;
  /** The key of an id; undefined once it is destroyed. */
  opening(id: string): Promise<Uint8Array | undefined>;
};

/** Answers a question exactly as of the first `size` entries; throws `Unavailable` naming the projection when rows do not get that far in time. */
export type Facts = (question: Question, at: { readonly size: number; readonly at: string }) => Promise<unknown>;

/** The index of command ids beyond what a stream's own state remembers: where a command's first entry stands, and how far the index has come. */
export type CommandsSeen = (command: string) => Promise<{
  readonly found?: { readonly stream: string; readonly revision: number; readonly position: Position };
  readonly upTo?: Position;
}>;
