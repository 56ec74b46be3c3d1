import { type Config, readConfig } from "../config.ts";
import { type Instance, openInstance } from "../instance.ts";
import { openLogger } from "../logger.ts";

/** The machine's processes besides the API: what a command needs to see its work through when nobody else runs on the home. */
const processes = ["projector", "policies", "timers", "signer"] as const;

/**
 * Opens the instance of the configured home for one command, whether it runs or not, and closes it after. Only who `delivers` tells others; what
 * does not sign needs no signing key, whatever is configured.
 */
export async function withInstance<T>(
  use: (instance: Instance, config: Config) => Promise<T>,
  { delivers = false, signs = true }: { readonly delivers?: boolean; readonly signs?: boolean } = {},
): Promise<T> {
  const { config } = readConfig(process.env);
  const broken = Promise.withResolvers<never>();
  // Unless the part that breaks does so while the command runs, nobody waits for this.
  broken.promise.catch(() => {});
  const instance = await openInstance(config, {
    roles: [...processes.filter((role) => signs || role !== "signer"), ...(delivers ? (["deliverer"] as const) : [])],
    signs,
    logger: openLogger(process.env["MINUTEBOOK_LOG_LEVEL"] ?? "warn"),
    broke: broken.reject,
  });
  try {
    return await Promise.race([use(instance, config), broken.promise]);
  } finally {
    await instance.close();
  }
}
