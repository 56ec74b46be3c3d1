/** In which stream each command stands: what makes a repeated key a replay when the stream's own state has forgotten it. */
import type { Database } from "./database.ts";
import { eventId } from "../domain/log/ids.ts";
import { change, make, type Projection } from "./projection.ts";

export const commandsSeen: Projection = {
  name: "commands-seen",
  version: 1,
  tables: [
    {
      name: "command_seen",
      key: ["cmd"],
      columns: { cmd: "text not null", stream: "text not null", leaf_index: "bigint not null" },
    },
  ],
  every: {
    initial: null,
    take: (memo, { entry: { id, cmd, stream }, leafIndex }) => {
      const seen = id === eventId(cmd, stream, 0) ? make : change;
      return { memo, changes: [seen("command_seen", { cmd }, (row) => row ?? { cmd, stream, leaf_index: leafIndex })] };
    },
  },
};

/** Where a command's first event stands, and up to where this is known: both from one state of the index. */
export async function streamOfCommand(
  { query }: Database,
  cmd: string,
): Promise<{ readonly stream?: string; readonly leafIndex?: number; readonly upTo?: string }> {
  const [found] = await query<{ stream: string | null; leaf_index: number | null; position: string; size: number }>(
    `select seen.stream, seen.leaf_index, checkpoint.position, checkpoint.size
     from rows.checkpoint left join read.command_seen seen on seen.cmd = $1
     where checkpoint.projection = 'commands-seen' and checkpoint.live`,
    [cmd],
  );
  if (!found || found.size === 0) return {};
  const { stream, leaf_index: leafIndex, position: upTo } = found;
  return stream === null || leafIndex === null ? { upTo } : { stream, leafIndex, upTo };
}
