import type { Static, TSchema } from "typebox";
import type { Events, NewEvent, StoredFields } from "../event-schemas/declare.ts";
import type { Position } from "./log/event-log.ts";

/** What happened around an event's data. `position` is unknown while its append is under way. */
export type Happened = {
  readonly id: string;
  readonly at: string;
  readonly by: string;
  readonly cmd: string;
  readonly stream: string;
  readonly revision: number;
  readonly position?: Position;
};

/** What the events of one stream amount to. The stream is called `<name>-<key>`, or `<name>` alone where there is one. */
export type Stream<State, E extends Events> = {
  readonly name: string;
  readonly events: E;
  readonly initial: State;
  /** One line an event; it never decides and never fails. */
  readonly evolve: { readonly [N in keyof E & string]: (state: State, data: StoredFields<E, N>, happened: Happened) => State };
};
export type AnyStream = {
  readonly name: string;
  readonly events: any;
  readonly initial: any;
  readonly evolve: Readonly<Record<string, (state: any, data: any, happened: Happened) => any>>;
};
export type StateOf<S> = S extends { readonly initial: infer State } ? State : never;

export const streamName = (stream: AnyStream, key: string) => (key === "" ? stream.name : `${stream.name}-${key}`);

/** A command on its way: what a stream's name, ids and earlier steps may be made of. All of it is a pure function of caller, key and input. */
export type Call<Input = any> = {
  readonly input: Input;
  /** The member or `system:<name>` that asks. */
  readonly by: string;
  /** Whom it is about: the caller, or the member that a command of the machine's own acts for. */
  readonly subject: string;
  readonly cmd: string;
  /** The n-th id that this command makes; the same again when it is repeated. */
  readonly made: (n: number) => string;
  /** A name for a guessable or personal part of a stream's key. */
  readonly part: (context: string, part: string) => string;
  /** The Ed25519 public key of a seed of 32 bytes (RFC 8032). */
  readonly publicKeyOf: (seed: Uint8Array) => Uint8Array;
};

/** What a decision is made from, besides input and state. It reads no clock, and no randomness but ids and lots. */
export type Context<R extends Reads, F, Input = any> = Call<Input> & {
  readonly at: string;
  readonly reads: { readonly [N in keyof R]: StateOf<R[N]["stream"]> };
  readonly facts: F;
  /** The size of the log that the facts were asked at. */
  readonly asOf: number;
};

export type Reads = Record<string, { readonly stream: AnyStream; readonly key: (call: Call) => string }>;
export type Rules = Record<string, string>;
export type Figures = Readonly<Record<string, string | number>>;
export type Rejection<Rule extends string = string> = { readonly rejected: Rule; readonly figures?: Figures };
/** Not yet to be known: the caller is asked to come again. */
export type Later = { readonly later: string };
export type Decision<Rule extends string = string> = readonly NewEvent[] | Rejection<Rule> | Later;

export const reject = <Rule extends string>(rejected: Rule, figures?: Figures): Rejection<Rule> =>
  figures ? { rejected, figures } : { rejected };
export const later = (why: string): Later => ({ later: why });
export const isRejection = (decision: Decision): decision is Rejection => "rejected" in decision;
export const isLater = (decision: Decision): decision is Later => "later" in decision;

/** A question about streams that cannot be named; answered exactly as of a size of the log, and the moment of the event to be. */
export type Question = { readonly about: string; readonly [more: string]: unknown };

/** A command of another stream that must have happened before this one: a claim of a name, a bar. Its refusal is this one's. */
export type Claim = { readonly command: string; readonly input: Record<string, unknown>; readonly subject: string };

/** `about`: each value's name, and what it is, for the page of the API. `of`: from the events as they were decided, before they are sealed. */
export type Revealing<Input = any> = {
  readonly about: Readonly<Record<string, string>>;
  readonly of: (call: Call<Input>, events: readonly NewEvent[]) => Readonly<Record<string, string>>;
};

/** The commands that write one kind of stream, everything they look at, and every reason to say no. */
export type Decider<
  S extends AnyStream = any,
  R extends Reads = any,
  C extends Record<string, TSchema> = any,
  U extends Rules = any,
  F = any,
> = {
  readonly stream: S;
  /** Which stream of its kind a command writes. */
  readonly key: { readonly [N in keyof C]: (call: Call<Static<C[N]>>) => string };
  /** Other streams by name. */
  readonly reads: R;
  readonly facts?: { readonly [N in keyof C]?: (call: Call<Static<C[N]>>) => Question | undefined };
  readonly claims?: { readonly [N in keyof C]?: (call: Call<Static<C[N]>>) => readonly Claim[] };
  /** An event counts only below the event that shuts the stream read: `shut` tells where that stands. */
  readonly fence?: {
    readonly read: keyof R & string;
    readonly shut: (state: any) => { readonly position?: Position } | undefined;
    readonly code: keyof U & string;
  };
  readonly commands: C;
  /** The ids of what a command creates, as the answer names them. */
  readonly creates?: { readonly [N in keyof C]?: (call: Call<Static<C[N]>>) => Readonly<Record<string, string>> };
  /** What the first answer shows, and no other: a secret is told to whoever asked for it, once. */
  readonly reveals?: { readonly [N in keyof C]?: Revealing<Static<C[N]>> };
  /** Whose personal data an input holds, if anybody's. */
  readonly personal?: { readonly [N in keyof C]?: (call: Call<Static<C[N]>>) => string | undefined };
  readonly rules: U;
  readonly decide: {
    readonly [N in keyof C]: (input: Static<C[N]>, state: StateOf<S>, context: Context<R, F, Static<C[N]>>) => Decision<keyof U & string>;
  };
};

/** Lets the compiler infer a decider's parts from one literal. */
export const decider = <S extends AnyStream, R extends Reads, C extends Record<string, TSchema>, U extends Rules, F = unknown>(
  parts: Decider<S, R, C, U, F>,
): Decider<S, R, C, U, F> => parts;

export const fold = <State>(
  { initial, evolve }: Stream<State, any>,
  events: readonly { type: string; data: object; happened: Happened }[],
): State => events.reduce((state, { type, data, happened }) => evolve[type]!(state, data as never, happened), initial);

/** The same decider as emmett's `Decider`, for one command context: emmett hands no reads, so they are given. */
export const asEmmett = <S extends AnyStream, R extends Reads>(
  { stream, decide }: Decider<S, R>,
  context: Context<R, any>,
): {
  decide: (command: { type: string; data: object }, state: StateOf<S>) => NewEvent[];
  evolve: (state: StateOf<S>, event: { type: string; data: object; metadata?: object }) => StateOf<S>;
  initialState: () => StateOf<S>;
} => ({
  decide: ({ type, data }, state) => {
    const decision = decide[type]!(data as never, state, { ...context, input: data });
    if (!Array.isArray(decision)) throw new Error(JSON.stringify(decision));
    return decision as NewEvent[];
  },
  evolve: (state, { type, data, metadata }) => stream.evolve[type]!(state, data as never, metadata as Happened),
  initialState: () => stream.initial,
});
