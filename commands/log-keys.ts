import { changingKeys } from "../domain/log-keys.ts";
import { type Exposed, expose } from "./expose.ts";

export const logKeysCommands: readonly Exposed[] = expose("log", changingKeys, {
  NameRecoveryKey: { by: "system", summary: "Names the key, kept offline, that may give the log another signing key." },
  RotateLogKey: { by: "system", summary: "Has another key sign the log from here on." },
});
