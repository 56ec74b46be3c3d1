import { parseArgs } from "node:util";
import { streamPart } from "../../domain/log/ids.ts";
import { Handle, Uuid } from "../../event-schemas/values.ts";
import type { Instance } from "../instance.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, print, say, Usage } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { json: { type: "boolean" } } });
  const [member] = positionals;
  if (member === undefined || positionals.length > 1) throw new Usage("token takes one member, by handle or id");
  return withInstance(async (instance, config) => {
    if (config.production) {
      say("the development issuer is refused in production");
      return exits.badConfiguration;
    }
    const memberId = await memberNamed(instance, member);
    if (memberId === undefined) {
      say(`there is no member ${member}`);
      return exits.failed;
    }
    const token = await instance.identity.issue(memberId);
    print(values.json ? JSON.stringify({ memberId, token }) : token);
    return exits.done;
  });
}

/** A member's id, from an id or a handle. */
export async function memberNamed(
  { database, instanceKey }: Pick<Instance, "database" | "instanceKey">,
  name: string,
): Promise<string | undefined> {
  if (Uuid.safeParse(name).success)
    return (await database.query("select 1 from read.member where member_id = $1 and until is null", [name])).length > 0 ? name : undefined;
  if (!Handle.safeParse(name).success) return undefined;
  const [held] = await database.query<{ member_id: string }>(
    "select member_id from read.handle where part = $1 and until is null and handle is not null",
    [streamPart(instanceKey, "handle", name)],
  );
  return held?.member_id;
}
