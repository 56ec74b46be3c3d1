/** What becomes of a delivery after an attempt: pure. */
import type { Fault, Profile } from "../profile.ts";

export type Next =
  { readonly kind: "again"; readonly afterMs: number; /** Towards the schedule. */ readonly counts: boolean } | { readonly kind: "dead" };

/**
 * `failures`: those that counted before this one. `drawn`: in [0, 1), what jitter is made of.
 * `spared`: the endpoint is known to be at fault, so that it says nothing of this delivery: nobody's schedule is used up by finding out.
 */
export function afterFault(profile: Profile, fault: Fault, failures: number, drawn: number, spared: boolean): Next {
  if (fault.class === "self") return { kind: "again", afterMs: ownFaultMs, counts: false };
  if (spared) return { kind: "again", afterMs: 0, counts: false };
  if (!profile.retries(fault)) return { kind: "dead" };
  // The whole endpoint waits for that long: whoever obeys is not to lose its attempts by it.
  const rest = restOf(fault);
  if (rest !== undefined) return { kind: "again", afterMs: rest, counts: false };
  const pause = profile.pausesMs[failures];
  return pause === undefined ? { kind: "dead" } : { kind: "again", afterMs: pause + jitter(profile, pause, drawn), counts: true };
}

const ownFaultMs = 5_000;

/** Upward only: nobody comes before the moment that was promised. */
const jitter = ({ jitter: { ratio, mostMs } }: Profile, pause: number, drawn: number) =>
  Math.floor(Math.min(pause * ratio, mostMs) * drawn);

const restMaxMs = 3_600_000;

/** How long the receiver asks to be left alone, as far as we believe it. */
export const restOf = (fault: Fault | undefined): number | undefined => {
  const ms = fault?.retryAfterMs;
  return ms === undefined || !(ms > 0) ? undefined : Math.min(ms, restMaxMs);
};

/** In [0, 1), from two random bytes. */
export const fraction = ([high = 0, low = 0]: Uint8Array) => (high * 256 + low) / 65_536;
