/** An instance with something in every part of it, at rest, that may be tampered with in any place: each change is undone after the verdict. */
import { randomBytes } from "node:crypto";
import { b64u, utf8 } from "../../domain/log/hash.ts";
import type { Json, JsonObject } from "../../domain/log/canonical-json.ts";
import { system } from "../../domain/caller.ts";
import type { Entry } from "../../domain/log/entry.ts";
import type { Placed } from "../../domain/log/event-log.ts";
import { signPromise } from "../../domain/log/signed/promise.ts";
import { tilePath, tilesOf } from "../../domain/log/tiles.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { commandNamed, found } from "../../ops/founding.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { projections } from "../../ops/projections.ts";
import { type DeepVerdict, verifyDeep } from "../../ops/verification/deep/deep.ts";
import type { Fault } from "../../ops/verification/deep/faults.ts";
import { storedInPostgres } from "../../ops/verification/stored.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { checkpointsOf, schemaOf } from "../../projections/builds.ts";
import type { Query } from "../../projections/database.ts";
import type { Projection } from "../../projections/projection.ts";
import { publishPromise } from "../../projections/promises.ts";
import { anchorAttempts } from "../../webhooks/delivery/anchors.ts";
import type { DeliveryWorld } from "../../webhooks/delivery/world.ts";
import { openTestInstance, type TestInstance, type TestInstanceOptions } from "../support/instance.ts";
import { wholeLog } from "../support/oracle.ts";

/** The tables of the log that refuse changes. */
export const guarded = ["entry", "head", "checkpoint", "promise"];
const gapsMax = 1_000;
const closesAt = "2090-01-01T00:00:00.000Z";

/** How the rest of the rig is while one thing of it is changed. */
export type Otherwise = {
  readonly served?: ((path: string, bytes: Uint8Array) => Uint8Array | undefined) | undefined;
  readonly home?: string | undefined;
  readonly projections?: readonly Projection[] | undefined;
  readonly vkey?: string | undefined;
};

export class TamperRig {
  readonly instance: TestInstance;
  readonly log: readonly Placed[];
  /** Every file that was served while the instance ran. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** A member with a display name and a `.auth`, and the leaf of its own ballot. */
  readonly ben: string;
  readonly owner: ReadDatabase;

  private constructor(instance: TestInstance, log: readonly Placed[], files: ReadonlyMap<string, Uint8Array>, ben: string) {
    this.instance = instance;
    this.log = log;
    this.files = files;
    this.ben = ben;
    this.owner = openDatabase({ ...instance.testDatabase.config, max: 1 });
  }

  get size(): number {
    return this.log.length;
  }

  get master(): Uint8Array {
    return Buffer.from(this.instance.config.masterKey!, "base64url");
  }

  static async open({ members = 110, ...options }: TestInstanceOptions & { readonly members?: number } = {}): Promise<TamperRig> {
    const instance = await openTestInstance(options);
    const ben = await live(instance, members);
    const log = await wholeLog(instance.log);
    const files = await servedBy(instance, log.length);
    await instance.stop();
    return new TamperRig(instance, log, files, ben);
  }

  leafOf(is: (entry: Entry, data: JsonObject) => boolean): number {
    const found = this.log.find(({ entry, data }) => is(entry, data));
    if (!found) throw new Error("the rig's log holds no such entry");
    return found.leafIndex;
  }

  /** The table that a projection's rows stand in. */
  async tableOf(query: Query, projection: string, table: string): Promise<string> {
    const { live } = await checkpointsOf(query, projection);
    return `${schemaOf(projection, live!.build)}."${table}"`;
  }

  /** What is found after `work`, past every guard, which is undone again. */
  async verdictAfter(work: (query: Query) => Promise<unknown>, otherwise: Otherwise = {}): Promise<DeepVerdict> {
    const undone = new Error("undone");
    let verdict: DeepVerdict | undefined;
    const { served = (_, bytes) => bytes } = otherwise;
    await this.owner
      .transaction(async (query) => {
        for (const table of guarded) await query(`alter table log.${table} disable trigger all`);
        await work(query);
        verdict = await verifyDeep({
          query,
          open: () => storedInPostgres(query, gapsMax),
          vkey: otherwise.vkey ?? this.instance.vkey,
          home: otherwise.home ?? this.instance.home,
          projections: otherwise.projections ?? projections,
          master: this.master,
          served: async (path) => {
            const bytes = this.files.get(path);
            return bytes && served(path, bytes);
          },
        });
        throw undone;
      })
      .catch((fault: unknown) => {
        if (fault !== undone) throw fault;
      });
    return verdict!;
  }

  async close(): Promise<void> {
    await this.owner.close();
    await this.instance.close();
  }
}

/** The first fault that has all of this. */
export const namedIn = (faults: readonly Fault[], wanted: Partial<Fault>): Fault | undefined =>
  faults.find((fault) =>
    Object.entries(wanted).every(([name, value]) => {
      const told = fault[name as keyof Fault];
      return name === "reason" || name === "key" ? String(told).includes(String(value)) : told === value;
    }),
  );

/** A community with members, votes, delegation, tasks, vouches, a ledger of webhooks and a promise, all of it signed. */
async function live(instance: TestInstance, members: number): Promise<string> {
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  const ana = founded.memberId;
  const send = sending(instance);
  await send(ana, "GrantRole", { memberId: ana, role: "officer" });
  const others: string[] = [];
  for (let n = 0; n < members; n++)
    others.push((await send(ana, "AdmitMember", { handle: `member-${n}`, displayName: `Member ${n} of the well` }))["memberId"]!);
  await instance.settled();
  const [ben, cem] = others as [string, string];
  for (const [n, proposal] of ["Repair the roof", "Open on market days"].entries()) {
    const { proposalId } = await send(ben, "DraftProposal", { title: proposal, body: "As agreed.", tags: ["building"] });
    await send(ana, "OpenVoting", { proposalId: proposalId!, closesAt });
    for (const [nth, voter] of others.slice(0, members / 3).entries())
      await send(voter, "CastBallot", { proposalId: proposalId!, choice: nth % 3 === 0 ? "against" : "for" });
    await send(ben, "ReviseBallot", { proposalId: proposalId!, choice: "for" });
    if (n === 0) await send(ana, "CloseVoting", { proposalId: proposalId! });
    await instance.settled();
  }
  await send(ben, "SetDelegation", { to: cem });
  const { taskId } = await send(ana, "CreateTask", { title: "Carry the stones" });
  await send(ana, "PublishTask", { taskId: taskId! });
  await send(ben, "ClaimTask", { taskId: taskId! });
  await send(ana, "GiveVouch", { vouchee: ben, skill: "masonry", message: "He built ours." });
  await oweWebhooks(instance);
  const first = (await wholeLog(instance.log))[3]!;
  const { publicKey, sign } = signEd25519(instance.signingSeed);
  const promised = { origin: instance.origin, entry: first.hash, at: first.entry.at };
  await onOwner(
    instance,
    async (query) => void (await publishPromise(query, first.entry.id, await signPromise(promised, publicKey, sign))),
  );
  await signed(instance);
  return ben;
}

const sending =
  ({ handler }: TestInstance) =>
  async (id: string, command: string, input: Json): Promise<Readonly<Record<string, string>>> => {
    const answer = await handler.handle({
      command: commandNamed(command),
      caller: { kind: "member", id, auth: { kind: "jwt", sub: id } },
      key: randomBytes(12).toString("hex"),
      input,
    });
    if (answer.kind === "refused") throw new Error(`${command}: ${answer.problem.detail}`);
    return answer.created;
  };

/** Deliveries and attempts as a deliverer leaves them, in two spans that the log anchors. */
async function oweWebhooks(instance: TestInstance): Promise<void> {
  const log = await wholeLog(instance.log);
  await onOwner(instance, async (query) => {
    await query(
      `insert into webhook.subscription (webhook_id, profile, status, from_leaf, settings, url, next_seq, revision)
       values ('the-herald', 'standard', 'active', 0, '{}', '{}', 7, 0)`,
    );
    for (const seq of [1, 2, 3, 4, 5, 6]) {
      const { entry, leafIndex } = log[seq * 5]!;
      await query(
        `insert into webhook.delivery (webhook_id, leaf_index, generation, seq, lane, subject, event_id, event_type, told_id, body_hash, state, attempts)
         values ('the-herald', $1, 0, $2, 0, 'all', $3, $4, $5, sha256(convert_to($3::text, 'UTF8')), 'delivered', 1)`,
        [leafIndex, seq, entry.id, entry.type, `evt_${seq}`],
      );
      await query(
        `insert into webhook.attempt (webhook_id, leaf_index, generation, n, started_at, took_ms, outcome, status, kids, body_hash, response_hash, remote, reused)
         values ('the-herald', $1, 0, 1, now(), 12, 'delivered', 200, 'k1', sha256(convert_to($2::text, 'UTF8')), sha256('ok'), '192.0.2.7', false)`,
        [leafIndex, entry.id],
      );
      if (seq % 3 === 0) await anchorAttempts(anchoring(instance));
    }
  });
}

const anchoring = (instance: TestInstance) => {
  const command = async (name: string, key: string, input: Json) => {
    const answer = await instance.handler.handle({ command: commandNamed(name), caller: system("webhooks"), key, input });
    return answer.kind === "refused" ? { refused: answer.problem.code } : { accepted: answer.events[0]!.id };
  };
  return { database: instance.database, command, logger: instance.logger } as unknown as DeliveryWorld;
};

async function onOwner(instance: TestInstance, work: (query: Query) => Promise<void>): Promise<void> {
  const owner = openDatabase({ ...instance.testDatabase.config, max: 1 });
  await work(owner.query).finally(owner.close);
}

async function signed(instance: TestInstance): Promise<void> {
  for (;;) {
    await instance.settled();
    const size = (await instance.log.head())!.size!;
    if ((await newestCheckpoint(instance.database.query))?.size === size) return;
    await instance.ambient.wait(20);
  }
}

async function servedBy({ url }: TestInstance, size: number): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const path of ["checkpoint", ...[...tilesOf(size)].map(tilePath)]) {
    const answer = await fetch(`${url}/log/${path}`);
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    files.set(path, new Uint8Array(await answer.arrayBuffer()));
  }
  return files;
}

/** Some 16 bytes that no salt is. */
export const otherSalt = b64u(utf8("sixteen bytes of"));
