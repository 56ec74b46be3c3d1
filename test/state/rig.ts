/** An instance with a little history whose state can be committed, and its log held against all that it says. */
import { system } from "../../domain/caller.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { commands } from "../../ops/commands.ts";
import { commandNamed, found } from "../../ops/founding.ts";
import { rowsAtHead } from "../../ops/instance/rows.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { commitState, type Committing } from "../../ops/processes/state.ts";
import { projections } from "../../ops/projections.ts";
import { type DeepVerdict, verifyDeep } from "../../ops/verification/deep/deep.ts";
import { storedInPostgres } from "../../ops/verification/stored.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import type { Projection } from "../../projections/projection.ts";
import { type State, stateOf } from "../../projections/state.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { type Unclear, verifyPieces } from "../../read-api/explorer/verifier/verify-pieces.ts";
import type { Finding } from "../../read-api/explorer/verifier/words.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";

export type StateRig = TestInstance & {
  readonly ana: string;
  readonly anaToken: string;
  /** Admits somebody; answers the member's id. */
  admit(handle: string): Promise<string>;
  commit(): Promise<Committing>;
  /** What the state is now, committed to by nobody. */
  stateNow(): Promise<State>;
  /** Commits to whatever it is told. */
  claim(state: State): Promise<void>;
  /** Once a checkpoint covers all. */
  signed(): Promise<void>;
  verdict(made?: readonly Projection[]): Promise<DeepVerdict>;
  /** What a verifier says of the bundle that a guest gets. */
  bundleVerdict(states?: boolean): Promise<Finding | Unclear>;
};

export async function openStateRig(env: Record<string, string> = {}): Promise<StateRig> {
  const instance = await openTestInstance({ env });
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  const { log, database, handler, ambient } = instance;
  const ana = founded.memberId;
  const anaToken = await instance.identity.issue(ana);
  return {
    ...instance,
    ana,
    anaToken,
    async admit(handle) {
      const { status, body } = await instance.post("admit-member", { handle }, { token: anaToken });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return body.memberId as string;
    },
    async commit() {
      await rowsAtHead({ log, database, ambient });
      return commitState({ log, database, projections, handler, commands });
    },
    async stateNow() {
      await rowsAtHead({ log, database, ambient });
      return (await database.snapshot((query) => stateOf(query, projections)))!;
    },
    async claim(state) {
      const input = state as unknown as Json;
      const answer = await handler.handle({
        command: commandNamed("CommitState"),
        caller: system("state"),
        key: `state/${state.size}`,
        input,
      });
      if (answer.kind === "refused") throw new Error(answer.problem.detail);
    },
    async signed() {
      for (;;) {
        await instance.settled();
        const { size } = (await log.head())!;
        if ((await newestCheckpoint(database.query))?.size === size) return;
        await ambient.wait(20);
      }
    },
    verdict: (made = projections) => verdictOn(instance, made),
    async bundleVerdict(states) {
      const tar = new Uint8Array(await (await fetch(`${instance.url}/log/bundle`)).arrayBuffer());
      const piece = { path: "bundle.tar", size: tar.length, read: async (from: number, to: number) => tar.subarray(from, to) };
      return verifyPieces([piece], { verify: verifyEd25519, vkey: instance.vkey, states });
    },
  };
}

async function verdictOn(instance: TestInstance, made: readonly Projection[]): Promise<DeepVerdict> {
  const owner = openDatabase({ ...instance.testDatabase.config, max: 1 });
  const undone = new Error("undone");
  let verdict: DeepVerdict | undefined;
  const { vkey, home } = instance;
  await owner
    .transaction(async (query) => {
      await query("set transaction isolation level repeatable read");
      verdict = await verifyDeep({ query, open: () => storedInPostgres(query), vkey, home, projections: made });
      throw undone;
    })
    .catch((fault: unknown) => {
      if (fault !== undone) throw fault;
    })
    .finally(owner.close);
  return verdict!;
}
