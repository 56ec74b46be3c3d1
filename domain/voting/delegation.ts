import Type from "typebox";
import { asked } from "../../event-schemas/values.ts";
import { delegationEvents } from "../../event-schemas/voting.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { membership } from "../membership.ts";
import { defaultScope } from "./ruleset.ts";

/** Whom a member lets vote in a scope where the member does not. */
export type DelegationState = { readonly to: string | undefined };

export const delegation: Stream<DelegationState, typeof delegationEvents> = {
  name: "delegation",
  events: delegationEvents,
  initial: { to: undefined },
  evolve: {
    DelegationSet: (_, { to }) => ({ to }),
    DelegationRevoked: () => ({ to: undefined }),
  },
};

export const delegationStreamOf = (memberId: string, scope: string) => `${delegation.name}-${memberId}.${scope}`;

const strict = { additionalProperties: false } as const;
const ofTheCaller = ({ input, by }: Call<{ scope?: string }>) => `${by}.${input.scope ?? defaultScope}`;

export const delegating = decider({
  stream: delegation,
  key: { SetDelegation: ofTheCaller, RevokeDelegation: ofTheCaller },
  reads: { delegate: { stream: membership, key: ({ input, by }) => input.to ?? by } },
  commands: {
    SetDelegation: Type.Object({ to: asked.Uuid, scope: Type.Optional(asked.Slug) }, strict),
    RevokeDelegation: Type.Object({ scope: Type.Optional(asked.Slug) }, strict),
  },
  rules: {
    SELF_DELEGATION: "Nobody delegates to themselves.",
    NO_SUCH_MEMBER: "A delegate is a member of the community.",
    NO_DELEGATION: "The member delegates to nobody in this scope.",
  },
  decide: {
    // Why cycles are not refused: a refusal would tell how others delegate. Nobody in one is represented until one of them votes.
    SetDelegation: ({ to, scope = defaultScope }, _, { by, reads: { delegate } }) => {
      if (to === by) return reject("SELF_DELEGATION");
      if (delegate.status !== "active" && delegate.status !== "suspended") return reject("NO_SUCH_MEMBER");
      return [delegationEvents.DelegationSet({ memberId: by, to, scope })];
    },
    RevokeDelegation: ({ scope = defaultScope }, { to }, { by }) => {
      if (to === undefined) return reject("NO_DELEGATION");
      return [delegationEvents.DelegationRevoked({ memberId: by, scope })];
    },
  },
});

/** What a delegation comes to: the member whose ballot speaks, or nobody. */
export type Representative = string | undefined;

/**
 * `DLG-1`: each of these members without a ballot follows delegates to the first member who has one; nobody speaks for the member where a
 * chain ends without a ballot or comes back to itself. The order of members and delegations changes nothing. A chain that leaves the
 * members given ends there: whoever is not of the electorate has neither a ballot nor a delegation that counts.
 */
export function representatives(
  members: readonly string[],
  voted: ReadonlySet<string>,
  delegates: ReadonlyMap<string, string>,
): ReadonlyMap<string, Representative> {
  const found = new Map<string, Representative>();
  for (const member of members) {
    const chain = new Set<string>();
    let at: string | undefined = member;
    while (at !== undefined && !found.has(at) && !voted.has(at) && !chain.has(at)) {
      chain.add(at);
      at = delegates.get(at);
    }
    const speaker = at === undefined || chain.has(at) ? undefined : voted.has(at) ? at : found.get(at);
    for (const one of chain) found.set(one, speaker);
  }
  for (const member of members) if (voted.has(member)) found.set(member, member);
  return found;
}
