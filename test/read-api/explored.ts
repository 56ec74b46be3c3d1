/** A community that has decided something, over HTTP, and a browser to look at it. */
import { expect } from "vitest";
import { found } from "../../ops/founding.ts";
import { openBrowser, type Tab, type TabOptions, type TestBrowser } from "../support/browser.ts";
import { openTestInstance, type TestInstance, type TestInstanceOptions } from "../support/instance.ts";
import { until } from "../support/receiver.ts";

export type Name = "ana" | "ben" | "cem";

export type Explored = Omit<TestBrowser, "open" | "close"> & {
  readonly instance: TestInstance;
  /** Ana is admin and officer, ben auditor, cem a member. */
  readonly ids: Readonly<Record<Name, string>>;
  readonly tokens: Readonly<Record<Name, string>>;
  /** Ana sends a command that must be accepted. */
  readonly must: (command: string, input: object) => Promise<any>;
  readonly signedSize: () => Promise<number>;
  /** Resolves when rows show the whole log and a checkpoint covers it. */
  readonly covered: () => Promise<void>;
  /** The last event of a type. */
  readonly idOf: (type: string) => Promise<string>;
  /** Ana and ben are for it; cem was, and is not any more. Adopted when it resolves. */
  readonly decideOne: () => Promise<string>;
  readonly open: (path: string, options?: TabOptions & { readonly as?: Name }) => Promise<Tab>;
  readonly close: () => Promise<void>;
};

export async function openExplored(options: TestInstanceOptions = {}): Promise<Explored> {
  const instance = await openTestInstance(options);
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  const token = (id: string) => instance.identity.issue(id);
  const ana = { id: founded.memberId, token: await token(founded.memberId) };
  const must: Explored["must"] = async (command, input) => {
    const { status, body } = await instance.post(command, input, { token: ana.token });
    if (status !== 201) throw new Error(`${command}: ${JSON.stringify(body)}`);
    return body;
  };
  const signedSize = async () => Number((await (await fetch(`${instance.url}/log/checkpoint`)).text()).split("\n")[1]);
  const covered = async () => {
    await instance.settled();
    const { size } = (await instance.log.head())!;
    await until(async () => (await signedSize()) >= size!);
  };
  await covered();
  const [ben, cem] = [
    await must("admit-member", { displayName: "ben" }).then(async ({ memberId: id }) => ({ id, token: await token(id) })),
    await must("admit-member", { displayName: "cem" }).then(async ({ memberId: id }) => ({ id, token: await token(id) })),
  ];
  await must("grant-role", { memberId: ben.id, role: "auditor" });
  await must("grant-role", { memberId: ana.id, role: "officer" });
  await covered();
  const tokens = { ana: ana.token, ben: ben.token, cem: cem.token };
  const browser = await openBrowser(() => instance.url);
  return {
    ...browser,
    instance,
    ids: { ana: ana.id, ben: ben.id, cem: cem.id },
    tokens,
    must,
    signedSize,
    covered,
    async idOf(type) {
      const [row] = await instance.database.query<{ event_id: string }>(
        "select event_id from read.log_entry where type = $1 order by leaf_index desc limit 1",
        [type],
      );
      return row!.event_id;
    },
    async decideOne() {
      const { proposalId } = await must("draft-proposal", { title: "A well for the square", body: "Ten metres deep.", tags: ["wells"] });
      await must("open-voting", { proposalId, closesAt: new Date(Date.now() + 3_600_000).toISOString() });
      for (const name of ["ana", "ben", "cem"] as const)
        expect((await instance.post("cast-ballot", { proposalId, choice: "for" }, { token: tokens[name] })).status).toBe(201);
      expect((await instance.post("revise-ballot", { proposalId, choice: "against" }, { token: tokens.cem })).status).toBe(201);
      await must("close-voting", { proposalId });
      await until(async () => (await instance.ask(`{ proposal(id: "${proposalId}") { state } }`)).proposal?.state === "adopted");
      return proposalId;
    },
    open: (path, { as, ...more } = {}) => browser.open(path, { ...more, ...(as && { token: tokens[as] }) }),
    async close() {
      await browser.close();
      await instance.close();
    },
  };
}
