/** `minutebook keys next|rotate|recovery|name-recovery|recover`. */
import { parseArgs } from "node:util";
import { readConfig } from "../config.ts";
import { withInstance } from "../instance/for-command.ts";
import { originFrom } from "../instance/origin.ts";
import { exits, print, printJson, say, Usage } from "../terminal.ts";
import { originKept } from "../verification/attached.ts";
import { type Changed, keysNow, nameRecovery, nextKey, recover, rotate, signedChange } from "./change-keys.ts";
import { drawRecoveryKey, readSecret, writeSecret } from "./recovery-secret.ts";

type Run = (args: readonly string[]) => Promise<number>;

export const keyCommands: Readonly<Record<string, Run>> = {
  async next(args) {
    const { values } = parseArgs({ args: [...args], options: { json } });
    return withInstance(async (instance) => {
      const { vkey, lies } = nextKey(instance, await keysNow(instance));
      if (values.json) printJson({ vkey, lies });
      else print(vkey);
      say(
        `It lies in ${lies} and signs nothing yet. Give it to whoever lists this log's key, cosigners first; then: minutebook keys rotate`,
      );
      return exits.done;
    });
  },

  async rotate(args) {
    const { values } = parseArgs({ args: [...args], options: { json } });
    return withInstance(async (instance) => told(await rotate(instance), values.json === true));
  },

  async recovery(args) {
    const { values } = parseArgs({ args: [...args], options: { out: { type: "string" }, json } });
    const { config } = readConfig(process.env);
    const origin = originKept(config.home) ?? config.logOrigin ?? originFrom(config.publicOrigin);
    if (origin === undefined)
      throw new Usage("a recovery key carries the log's name: set MINUTEBOOK_LOG_ORIGIN, or draw it once the log is open");
    const { out } = values;
    if (out === undefined) throw new Usage("--out FILE says where the secret goes, and --out - that it is printed");
    const { vkey } = drawRecoveryKey(origin, (secret) => (out === "-" ? void process.stdout.write(secret) : writeSecret(out, secret)));
    if (out === "-") say(vkey);
    else if (values.json) printJson({ vkey, secret: out });
    else print(vkey);
    say(
      originKept(config.home) === undefined
        ? "Set it as MINUTEBOOK_RECOVERY_VKEY before the log is opened. Keep the secret offline: it is nowhere else."
        : "Name it: minutebook keys name-recovery VKEY. Keep the secret offline: it is nowhere else.",
    );
    return exits.done;
  },

  async "name-recovery"(args) {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { recovery: { type: "string" }, json } });
    const [vkey] = positionals;
    if (vkey === undefined || positionals.length > 1) throw new Usage("name-recovery takes one key, as `keys recovery` printed it");
    const secret = values.recovery === undefined ? undefined : readSecret(values.recovery);
    return withInstance(async (instance) => {
      await nameRecovery(instance, vkey, secret);
      if (values.json) printJson({ recovery: vkey });
      else print(`the recovery key of ${instance.origin} is ${vkey}`);
      return exits.done;
    });
  },

  async recover(args) {
    const { values } = parseArgs({ args: [...args], options: { recovery: { type: "string" }, size: { type: "string" }, json } });
    if (values.recovery === undefined) throw new Usage("--recovery FILE is the secret of the recovery key");
    if (values.size !== undefined && !/^[1-9]\d{0,14}$/.test(values.size))
      throw new Usage(`--size is a size of the tree, not "${values.size}"`);
    const secret = readSecret(values.recovery);
    const size = values.size === undefined ? undefined : Number(values.size);
    // Nothing is signed here: the key that signs now may be gone. Then it is opened again with the new one, which does.
    const { to } = await withInstance((instance) => recover(instance, secret, size), { signs: false });
    say(`recorded: ${to}`);
    return withInstance(async (instance) => told(await signedChange(instance), values.json === true));
  },
};

const json = { type: "boolean" } as const;

function told({ from, to, leaf, lies, given }: Changed, asJson: boolean): number {
  if (asJson) {
    printJson({ from, to, leaf, lies, given: given.map((key) => ({ vkey: key.vkey, lies: key.lies })) });
    return exits.done;
  }
  print(`${to} signs the log from leaf ${leaf} on`);
  say(
    `It lies in ${lies}. The first tree that holds the change is signed and published; whoever knows an older key can follow it to this one.`,
  );
  for (const key of given) say(`${key.vkey} signs no more. Its secret, in ${key.lies}, may be destroyed.`);
  say("Cosigners and others who list this log's key need the new one beside the old: minutebook keys prints it.");
  return exits.done;
}
