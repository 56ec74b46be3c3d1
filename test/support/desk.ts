import { randomBytes } from "node:crypto";
import type { Exposed } from "../../commands/expose.ts";
import { CommandHandler, type Request } from "../../commands/handle.ts";
import type { Limits } from "../../commands/states.ts";
import type { Facts, SubjectKey, SubjectKeys, World } from "../../commands/world.ts";
import type { Caller } from "../../domain/caller.ts";
import type { EventLog, Place } from "../../domain/log/event-log.ts";
import { keyId } from "../../domain/log/sealed.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { cipher, publicKeyOf } from "../../ops/crypto.ts";

/** Keys that live as long as a test. */
export function keysInMemory() {
  const bySubject = new Map<string, SubjectKey>();
  const byId = new Map<string, Uint8Array>();
  return {
    async sealing(subjects: readonly string[]) {
      for (const subject of subjects.filter((subject) => !bySubject.has(subject))) {
        const key = randomBytes(32);
        bySubject.set(subject, { id: keyId(key), key });
        byId.set(keyId(key), key);
      }
      return new Map(subjects.map((subject) => [subject, bySubject.get(subject)!]));
    },
    async opening(id: string) {
      return byId.get(id);
    },
    destroy(subject: string) {
      byId.delete(bySubject.get(subject)!.id);
      bySubject.delete(subject);
    },
  };
}

export type DeskKeys = SubjectKeys & { destroy(subject: string): unknown };

export type Desk = {
  readonly handler: CommandHandler;
  readonly keys: DeskKeys;
  /** Sends a command by name, with a key of its own unless one is given. */
  readonly send: (caller: Caller, command: string, input: object, more?: Partial<Request>) => ReturnType<CommandHandler["handle"]>;
  close(): Promise<void>;
};

/** The write path over a log, as one process has it, which may begin to follow after a place. Two desks over one log are two processes, but for the memory. */
export function desk(
  log: EventLog,
  commands: readonly Exposed[],
  { limits, after, ...more }: Partial<World> & { keys?: DeskKeys; limits?: Partial<Limits>; after?: Place } = {},
): Desk {
  const keys = more.keys ?? keysInMemory();
  const noFacts: Facts = () => Promise.reject(new Error("this desk knows no facts"));
  const world: World = {
    ...realAmbient,
    log,
    origin: "test.example/log",
    cipher,
    publicKeyOf,
    instanceKey: new Uint8Array(32).fill(7),
    facts: noFacts,
    seen: async () => ({}),
    ...more,
    keys,
  };
  const handler = new CommandHandler(world, commands, limits);
  const closing = new AbortController();
  const following = handler.states.follow(after, closing.signal);
  const byName = new Map(commands.map((command) => [command.name, command]));
  return {
    handler,
    keys,
    send: (caller, command, input, request = {}) =>
      handler.handle({
        key: randomBytes(12).toString("hex"),
        ...request,
        command: byName.get(command)!,
        caller,
        input: input as Request["input"],
      }),
    async close() {
      closing.abort();
      await following;
    },
  };
}

export const member = (id: string): Caller => ({ kind: "member", id, auth: { kind: "jwt", sub: id } });
