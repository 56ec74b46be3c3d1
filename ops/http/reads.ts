/** What reads are handed by an instance. */
import type { Json } from "../../domain/log/canonical-json.ts";
import { streamPart } from "../../domain/log/ids.ts";
import { unseal } from "../../domain/log/sealed.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import { sizeAt } from "../../projections/as-of.ts";
import { logTree } from "../../projections/log-tree.ts";
import type { ReadDeps } from "../../read-api/deps.ts";
import { toldBodies } from "../../webhooks/receivers/bodies.ts";
import { readPoll } from "../instance/ballots.ts";
import { commands } from "../commands.ts";
import { cipher } from "../crypto.ts";
import { positionText, storePosition } from "../event-log/eventstoredb/records.ts";
import type { Instance } from "../instance.ts";
import { rowsAt } from "../instance/rows.ts";

export type Readable = Pick<Instance, "log" | "database" | "ambient" | "origin" | "instanceKey" | "rows"> & {
  readonly keys: Pick<Instance["keys"], "openingMany">;
  readonly identity: Pick<Instance["identity"], "identify">;
};
type Around = Pick<ReadDeps, "broke" | "checkpoint" | "reputation" | "policy" | "signer">;

export function readDepsOf(instance: Readable, around: Around): ReadDeps {
  const { log, database, ambient, origin, instanceKey, rows, identity } = instance;
  const treeAt = rowsAt(database, ambient, logTree.name);
  return {
    ...around,
    log,
    database,
    origin,
    commands,
    toldBodies,
    now: ambient.now,
    wait: ambient.wait,
    deadline: (ms) => AbortSignal.timeout(ms),
    identify: identity.identify,
    open: opening(instance),
    part: (context, part) => streamPart(instanceKey, context, part),
    readPosition: (text) => readPosition(log, text),
    async passed(projections, position) {
      await treeAt(position);
      await rows.waitFor(projections, await sizeAt(database, { position }));
    },
    ballotsOf: (proposalId) => readPoll(log, proposalId),
  };
}

/** Values of many subjects in one look for their keys. */
const opening =
  ({ keys, origin }: Pick<Readable, "keys" | "origin">): ReadDeps["open"] =>
  async (cells) => {
    const found = await keys.openingMany([...new Set(cells.map(({ key }) => key))]);
    return cells.map(({ event, field, ...value }): Json | undefined => {
      const key = found.get(value.key);
      const opened = key && unseal(cipher, { key, value, log: origin, eventId: event, field });
      return opened?.opened ? opened.value : undefined;
    });
  };

/** Positions may come without their zeros: leaf indexes, or `<commit>.<prepare>` of EventStoreDB. */
const readPosition = ({ engine }: EventLog, text: string): string | undefined => {
  if (engine !== "eventstoredb") return /^\d{1,16}$/.test(text) ? text.padStart(16, "0") : undefined;
  return /^\d{1,20}\.\d{1,20}$/.test(text) ? positionText(storePosition(text)) : undefined;
};
