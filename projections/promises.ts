/** Promises on their way: what is asked of the signer, and what it has signed. */
import type { Query } from "./database.ts";

export type Asked = { readonly event: string; readonly stream: string; readonly revision: number };

/** Asking twice is asking once. */
export const askForPromise = (query: Query, { event, stream, revision }: Asked) =>
  query("insert into promise.asked (event, stream, revision) values ($1, $2, $3) on conflict do nothing", [event, stream, revision]);

/** The oldest first, not all at once. */
export const promisesAsked = (query: Query): Promise<Asked[]> =>
  query<Asked>("select event, stream, revision from promise.asked order by place limit 100");

export const forgetAsked = (query: Query, { event }: Asked) => query("delete from promise.asked where event = $1", [event]);

/** The first promise stays: a later one would move the time by which it is kept. */
export const publishPromise = (query: Query, event: string, note: string) =>
  query("insert into log.promise (event, note) values ($1, $2) on conflict do nothing", [event, note]);

/** The signed note; undefined while nothing was promised. */
export async function promiseOf(query: Query, event: string): Promise<string | undefined> {
  const [row] = await query<{ note: string }>("select note from log.promise where event = $1", [event]);
  return row?.note;
}
