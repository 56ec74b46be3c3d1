import { parseArgs } from "node:util";
import { Handle, Title } from "../../event-schemas/values.ts";
import { found } from "../founding.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, print, say, Usage } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { admin: { type: "string" }, json: { type: "boolean" } },
  });
  const [name] = positionals;
  if (name === undefined || positionals.length > 1 || values.admin === undefined) throw new Usage("found takes a name and --admin HANDLE");
  const handle = values.admin;
  if (!Title.safeParse(name).success) throw new Usage("a community's name has 1 to 200 characters");
  if (!Handle.safeParse(handle).success) throw new Usage(`"${handle}" is not a handle: 1 to 50 of a-z, 0-9, _ . -`);
  return withInstance(async (instance) => {
    const founded = await found(instance, name, handle);
    if ("problem" in founded) {
      say(`${founded.problem.code}: ${founded.problem.detail}`);
      return exits.failed;
    }
    print(
      values.json
        ? JSON.stringify({ ...founded, handle, name, origin: instance.origin })
        : `${name} is founded; its admin ${handle} is member ${founded.memberId}`,
    );
    return exits.done;
  });
}
