import { ownServer, sharedServerOf, sharedServerVariable } from "./postgres.ts";

/** One fast server for the whole run; the workers read of it in their environment. */
export default async function setup(): Promise<() => Promise<void>> {
  const { server, discard } = await ownServer({ durable: false });
  process.env[sharedServerVariable] = JSON.stringify(sharedServerOf(server));
  return discard;
}
