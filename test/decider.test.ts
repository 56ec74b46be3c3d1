import { DeciderCommandHandler, getInMemoryEventStore } from "@event-driven-io/emmett";
import { expect, it } from "vitest";
import { asEmmett } from "../domain/decider.ts";
import { delegating } from "../domain/voting/delegation.ts";
import { callOf, noon } from "./support/scenario.ts";

const [ana, ben] = ["1", "2"].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string];

it("is emmett's decider too: decided, stored and folded by emmett alone", async () => {
  const context = { ...callOf({}, ana), at: noon, reads: { delegate: { status: "active", isProven: false } }, facts: undefined, asOf: 0 };
  const { decide, evolve, initialState } = asEmmett(delegating, context as never);
  const handle = DeciderCommandHandler({ decide, evolve, initialState } as never) as any;
  const store = getInMemoryEventStore();
  const send = (type: string, data: object) => handle(store, "delegation-of-ana", { type, data });

  expect((await send("SetDelegation", { to: ben })).newState).toEqual({ to: ben });
  expect((await send("RevokeDelegation", {})).newState).toEqual({ to: undefined });
  await expect(send("RevokeDelegation", {})).rejects.toThrow("NO_DELEGATION");
  await expect(send("SetDelegation", { to: ana })).rejects.toThrow("SELF_DELEGATION");
  expect((await store.readStream("delegation-of-ana")).events.map(({ type }) => type)).toEqual(["DelegationSet", "DelegationRevoked"]);
});
