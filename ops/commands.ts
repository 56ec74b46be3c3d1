import { membershipCommands, membershipPolicies } from "../commands/membership.ts";
import { votingCommands } from "../commands/voting.ts";
import { votingPolicies } from "../commands/voting-policies.ts";

/** Every command and every policy of this program. */
export const commands = [...membershipCommands, ...votingCommands];
export const policies = [...membershipPolicies, ...votingPolicies];
