import { Check } from "typebox/value";
import type { Static, TSchema } from "typebox";
import { expect, it } from "vitest";
import { declarationOf, readEvent } from "../../event-schemas/catalogue.ts";
import { isPersonal, type NewEvent } from "../../event-schemas/declare.ts";
import {
  type AnyStream,
  type Call,
  type Context,
  type Decider,
  type Decision,
  fold,
  type Happened,
  isLater,
  isRejection,
  type Reads,
  type Rules,
} from "../../domain/decider.ts";
import { eventId, madeId } from "../../domain/log/ids.ts";
import { publicKeyOf } from "../../ops/crypto.ts";

/** An event that stands in a stream, and what happened around it where a scenario cares. */
export type Stands = { readonly event: NewEvent; readonly around: Partial<Happened> };
export const stands = (event: NewEvent, around: Partial<Happened>): Stands => ({ event, around });

type Asking = Partial<Omit<Context<any, any>, "input" | "reads">>;
type Scenario<C extends Record<string, TSchema>, U extends Rules> = {
  /** Events by stream: the decider's own under the stream's name, those that it reads under the names of `reads`. */
  readonly given?: Readonly<Record<string, readonly (NewEvent | Stands)[]>>;
  /** A command, its input, and who asks (a member, or `system:<name>`) or more of the context. */
  readonly when: { [N in keyof C]: readonly [command: N, input: Static<C[N]>, by?: string | Asking] }[keyof C];
  /** The events decided, the code of the rule that said no, or the whole decision. */
  readonly then: Decision<keyof U & string> | (keyof U & string);
};

export const noon = "2030-01-01T12:00:00.000Z";
const earlier = "2030-01-01T09:00:00.000Z";
/** The command that the given events come from, where nothing else is said. */
export const pastCommand = "0c7f6a0e-1f6b-5d0e-9a55-3f3c4b1d2e01";
const now = "0c7f6a0e-1f6b-5d0e-9a55-3f3c4b1d2e02";

/** The n-th id that the command of a scenario makes. */
export const made = (n: number) => madeId(now, n);

/** A command on its way, for what is a function of it alone: keys, claims, facts. Parts of stream names stay readable. */
export const callOf = <Input>(input: Input, by: string, more: Partial<Call> = {}): Call<Input> => ({
  by,
  subject: by,
  cmd: now,
  made,
  part: (context, part) => `${context}(${part})`,
  publicKeyOf,
  ...more,
  input,
});

/** A stream's state after these events. They are read as stored ones are: upcast, and with personal fields sealed. */
export function stateAfter<State>(stream: { readonly initial: State } & AnyStream, events: readonly (NewEvent | Stands)[]): State {
  const stored = events.map((given, revision) => {
    const { event, around } = "event" in given ? given : stands(given, {});
    const { type, data } = readEvent(event.type, event.version, { ...sealed(event), ".command": { input: "", name: "scenario" } });
    const id = eventId(pastCommand, stream.name, revision);
    const position = String(revision).padStart(16, "0");
    const usual = { id, at: earlier, by: "system:scenario", cmd: pastCommand, stream: stream.name, revision, position };
    return { type, data, happened: { ...usual, ...around } };
  });
  return fold(stream, stored);
}

const sealed = ({ type, data }: NewEvent) =>
  Object.fromEntries(
    Object.entries(data).map(([name, value]) => {
      const field = declarationOf(type)!.fields[name];
      return [name, field && isPersonal(field) ? { key: `key of ${data[field.subject]}`, sealed: JSON.stringify(value) } : value];
    }),
  );

/** What a decider answers after these events. Its input must be one that the command takes, and what it decides must fold. */
export function decisionOf<C extends Record<string, TSchema>, U extends Rules>(
  decider: Decider<any, any, C, U, any>,
  { given = {}, when: [command, input, asking] }: Omit<Scenario<C, U>, "then">,
  usually: Asking = {},
): Decision<keyof U & string> {
  const { stream } = decider as { stream: AnyStream };
  const reads: Reads = decider.reads;
  const unknown = Object.keys(given).filter((name) => name !== stream.name && !Object.hasOwn(reads, name));
  if (unknown.length > 0) throw new Error(`${unknown} is neither the stream of this decider nor one that it reads`);
  expect(Check(decider.commands[command]!, input), `${String(command)} takes ${JSON.stringify(input)}`).toBe(true);
  const { by = "system:scenario", ...more } = { ...usually, ...(typeof asking === "string" ? { by: asking } : asking) };
  const context: Context<any, any> = {
    ...callOf(input, by),
    at: noon,
    facts: undefined,
    asOf: 0,
    ...more,
    reads: Object.fromEntries(Object.entries(reads).map(([name, read]) => [name, stateAfter(read.stream, given[name] ?? [])])),
  };
  const before = given[stream.name] ?? [];
  const decision = decider.decide[command](input as never, stateAfter(stream, before) as never, context);
  if (!isRejection(decision) && !isLater(decision)) stateAfter(stream, [...before, ...decision]);
  return decision;
}

/** Given these events, when this command, then these events, or the rule that says no. */
export const scenariosOf =
  <C extends Record<string, TSchema>, U extends Rules>(decider: Decider<any, any, C, U, any>, usually: Asking = {}) =>
  (title: string, { then, ...scenario }: Scenario<C, U>) =>
    it(title, () => {
      const decision = decisionOf(decider, scenario, usually);
      const said = typeof then === "string" && isRejection(decision) ? decision.rejected : decision;
      expect(said).toEqual(then);
    });
