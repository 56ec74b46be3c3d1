import type { JsonObject } from "../domain/log/canonical-json.ts";
import type { Sealed } from "../domain/log/event-log.ts";
import { b64u } from "../domain/log/hash.ts";
import { isSealed, unseal } from "../domain/log/sealed.ts";
import { type Problem, problem } from "../domain/problem.ts";
import type { World } from "./world.ts";

export type Accepted = {
  readonly kind: "accepted";
  readonly stream: string;
  /** Of the command's last event. */
  readonly revision: number;
  readonly position: string;
  readonly events: readonly { readonly id: string; readonly type: string; readonly hash: string }[];
  readonly replayed: boolean;
  /** Ids of what the command created, by name. */
  readonly created: Readonly<Record<string, string>>;
  /** Shown in this answer and in no repeat of it. */
  readonly revealed?: Readonly<Record<string, string>>;
};
/** `created` names what would have been made. */
export type Refused = { readonly kind: "refused"; readonly problem: Problem; readonly created?: Accepted["created"] };
export type Answer = Accepted | Refused;

export const refused = (problem: Problem): Refused => ({ kind: "refused", problem });

export const keyReused = (key: string): Problem =>
  problem("KEY_REUSED", `The key ${key} was used for another command or another input; a new request needs a new key`);

export const accepted = (
  stream: string,
  position: string,
  entries: readonly Sealed[],
  created: Accepted["created"],
  replayed: boolean,
): Accepted => ({
  kind: "accepted",
  stream,
  revision: entries.at(-1)!.entry.rev,
  position,
  events: entries.map(({ entry, hash }) => ({ id: entry.id, type: entry.type, hash: b64u(hash) })),
  replayed,
  created,
});

/** Whether a first event asked for this. Where its key is destroyed nobody can tell any more, and the repeat is taken for one. */
export async function askedTheSame(
  { keys, cipher }: Pick<World, "keys" | "cipher">,
  { entry, data }: Sealed,
  name: string,
  hash: string,
): Promise<boolean> {
  const stored = data[".command"];
  const command = isSealed(stored) ? await openCommand({ keys, cipher }, entry, stored) : (stored as JsonObject | undefined);
  return command === undefined || (command["input"] === hash && command["name"] === name);
}

async function openCommand(
  { keys, cipher }: Pick<World, "keys" | "cipher">,
  entry: Sealed["entry"],
  value: { key: string; sealed: string },
) {
  const key = await keys.opening(value.key);
  if (!key) return undefined;
  const opened = unseal(cipher, { key, value, log: entry.log, eventId: entry.id, field: ".command" });
  return opened.opened ? (opened.value as JsonObject) : undefined;
}
