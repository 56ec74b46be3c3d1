import type { Database } from "../../projections/database.ts";
import type { Follower } from "./policies.ts";

/** How far a process has come, kept in a row of its own. It only moves forward, so that two processes of one name do not send each other back. */
export const followerOf = ({ query }: Database, name: string): Follower => ({
  async load() {
    const [row] = await query<{ position: string; size: number }>("select position, size from rows.follower where name = $1", [name]);
    return row;
  },
  async save({ position, size }) {
    await query(
      "insert into rows.follower as kept values ($1, $2, $3) on conflict (name) do update set position = excluded.position, size = excluded.size where kept.size < excluded.size",
      [name, position, size],
    );
  },
});
