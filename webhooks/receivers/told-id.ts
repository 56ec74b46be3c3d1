import { hex, sha256 } from "../../domain/log/hash.ts";
import type { Tellable } from "../profile.ts";

/** The same for the same event for ever: 64 bits of its id, which is unique in the world only together with its log. */
export const toldId = ({ entry }: Pick<Tellable, "entry">): string => `evt_${hex(sha256(`${entry.log}\n${entry.id}`).subarray(0, 8))}`;
