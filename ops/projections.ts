import { commandsSeen } from "../projections/commands-seen.ts";
import { logTree } from "../projections/log-tree.ts";
import { membership } from "../projections/membership.ts";
import type { Projection } from "../projections/projection.ts";
import { evidence } from "../projections/tasks/evidence.ts";
import { tasks } from "../projections/tasks/tasks.ts";
import { vouches } from "../projections/tasks/vouches.ts";
import { timers } from "../projections/timers.ts";
import { voting } from "../projections/voting/voting.ts";

/** Every projection of this program. */
export const projections: readonly Projection[] = [logTree, membership, voting, tasks, evidence, vouches, timers, commandsSeen];
