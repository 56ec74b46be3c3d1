/** The keys that spoke for the log, one after another, each change proven; only asked for where one key is not enough. */
import { type LogKeys, openKeys } from "../../../../domain/log/verify/keys/log-keys.ts";
import { textAt } from "../asking/log.ts";
import { verify } from "./verifying.ts";

/** Throws `Malformed` where a change does not hold. */
export const keysOfLog = async (): Promise<LogKeys> => openKeys(await textAt("/log/keys"), { verify });
