import { hex, sha256 } from "../domain/log/hash.ts";
import type { Tellable } from "./profile.ts";

/** The id that receivers know an event by, the same for ever: 64 bits of its id, which is unique in the world only together with its log, so that a clash is looked for. */
export const toldId = ({ entry }: Pick<Tellable, "entry">): string => `evt_${hex(sha256(`${entry.log}\n${entry.id}`).subarray(0, 8))}`;
