/** What was owed under the settings of its time is told so, whatever they are by now. */
import { equalBytes, sha256 } from "../domain/log/hash.ts";
import type { Rendering, Settings } from "./profile.ts";

const otherPayload = { full: "thin", thin: "full" } as const;

/** The settings that may have held when the event was owed. */
export const otherwise = (settings: Settings): Settings => ({ ...settings, payload: otherPayload[settings.payload] });

/** The bytes, where they are those of which the row keeps the hash. */
export const asPromised = (rendering: Rendering, promised: Uint8Array | null): Uint8Array | undefined =>
  rendering.kind === "rendered" && promised && equalBytes(sha256(rendering.body), promised) ? rendering.body : undefined;
