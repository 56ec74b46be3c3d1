/** What the stand-in makes of the events that it took in. The weights are the samples of the contract's documents; only the real engine knows its own. */

import type { Told } from "./contract.ts";

const points = { contribution_created: 50, por_evidence: 20, vouch_submitted: 15 } as const satisfies Record<Told["event_type"], number>;
const enoughPoints = 100;

/** Undefined for somebody of whom nothing was told. */
export function reputationIn(events: readonly Told[], userId: string): object | undefined {
  const own = events.filter(({ event_type: type, actor }) => type !== "vouch_submitted" && actor.user_id === userId);
  const vouches = events.filter(({ event_type: type, subject }) => type === "vouch_submitted" && subject.vouchee_id === userId);
  const about = [...own, ...vouches];
  if (about.length === 0) return undefined;
  const score = about.reduce((sum, { event_type: type }) => sum + points[type], 0);
  const skills = new Map<string, number>();
  for (const { subject } of about)
    for (const skill of [subject.skill_ids ?? subject.skill_id ?? []].flat())
      skills.set(String(skill), Math.min(1, (skills.get(String(skill)) ?? 0) + 0.25));
  return {
    user_id: `gotong_royong:${userId}`,
    reputation_score: score,
    tier: score >= enoughPoints ? "contributor" : "novice",
    contributions_count: own.filter(({ event_type: type }) => type === "contribution_created").length,
    vouches_received: vouches.length,
    skills: [...skills].map(([skill_id, competence]) => ({ skill_id, competence })),
  };
}
