import { administrationCommands } from "../commands/administration.ts";
import { logKeysCommands } from "../commands/log-keys.ts";
import { membershipCommands, membershipPolicies } from "../commands/membership.ts";
import { stateCommands } from "../commands/state.ts";
import { tasksCommands } from "../commands/tasks.ts";
import { tasksPolicies } from "../commands/tasks-policies.ts";
import { votingCommands } from "../commands/voting.ts";
import { votingPolicies } from "../commands/voting-policies.ts";

/** Every command and every policy of this program. */
export const commands = [
  ...administrationCommands,
  ...membershipCommands,
  ...votingCommands,
  ...tasksCommands,
  ...stateCommands,
  ...logKeysCommands,
];
export const policies = [...membershipPolicies, ...votingPolicies, ...tasksPolicies];
