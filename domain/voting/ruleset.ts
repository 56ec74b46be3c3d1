import Type, { type Static } from "typebox";
import { asked } from "../../event-schemas/values.ts";
import type { Effect, Ruleset } from "../../event-schemas/voting.ts";
import { roles } from "../caller.ts";
import { canonical } from "../log/canonical-json.ts";
import { b64u, sha256 } from "../log/hash.ts";

const strict = { additionalProperties: false } as const;
const Whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Divisor = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

const AskedChoice = Type.Object(
  { id: asked.Slug, label: Type.Optional(asked.text(1, 200)), counts: Type.Enum(["for", "against", "abstain"]) },
  strict,
);

const AskedQuorum = Type.Object(
  {
    num: Whole,
    den: Divisor,
    base: Type.Enum(["eligibleCount", "eligibleWeight", "fixed"]),
    counts: Type.Enum(["cast", "castLessAbstain", "yesOnly"]),
  },
  strict,
);

const AskedApproval = Type.Object(
  { num: Whole, den: Divisor, base: Type.Enum(["yesPlusNo", "cast", "eligible"]), comparison: Type.Enum(["moreThan", "atLeast"]) },
  strict,
);

/** The rules of a vote as they are asked for: what is left out has its default. */
export const AskedRuleset = Type.Object(
  {
    choices: Type.Optional(Type.Array(AskedChoice, { minItems: 2, maxItems: 50 })),
    quorum: Type.Optional(AskedQuorum),
    approval: Type.Optional(AskedApproval),
    tie: Type.Optional(Type.Enum(["reject", "chair", "lot"])),
    revoting: Type.Optional(Type.Enum(["none", "untilClose"])),
    secrecy: Type.Optional(Type.Enum(["open", "hiddenUntilClose"])),
    delegation: Type.Optional(Type.Enum(["off", "scoped"])),
    delegationScope: Type.Optional(asked.Slug),
    delegatedCountsForQuorum: Type.Optional(Type.Boolean()),
  },
  { ...strict, description: "Fixed at opening. Defaults: for, against and abstain; no quorum; more than half of for and against." },
);

export const AskedEffect = Type.Object(
  {
    kind: Type.Enum(["grantRole", "revokeRole", "expelMember"]),
    memberId: asked.Uuid,
    role: Type.Optional(Type.Enum([...roles])),
    scope: Type.Optional(asked.Slug),
    untilAt: Type.Optional(asked.Timestamp),
  },
  strict,
);
export const AskedEffects = Type.Array(AskedEffect, { maxItems: 20 });

export const defaultScope = "community";

const defaults: Ruleset = {
  choices: [
    { id: "for", counts: "for" },
    { id: "against", counts: "against" },
    { id: "abstain", counts: "abstain" },
  ],
  approval: { num: 1, den: 2, base: "yesPlusNo", comparison: "moreThan" },
  tie: "reject",
  revoting: "untilClose",
  secrecy: "open",
  delegation: "off",
  delegatedCountsForQuorum: true,
};

/** The whole set of rules: what was asked, and the default of everything else. */
export const completed = (given: Static<typeof AskedRuleset> = {}): Ruleset => ({
  ...defaults,
  ...given,
  ...(given.delegation === "scoped" && { delegationScope: given.delegationScope ?? defaultScope }),
});

export const rulesHashOf = (ruleset: Ruleset) => b64u(sha256(canonical(ruleset)));

/** What no set of rules may be, whoever asks for it. */
export const rulesetRules = {
  DUPLICATE_CHOICE: "Each choice has an id of its own.",
  ONE_SIDED_CHOICES: "There is at least one choice for the proposal and one against it.",
  APPROVAL_OUT_OF_REACH: "Approval asks for something, and for no more than the whole.",
  QUORUM_OUT_OF_REACH: "A quorum is at most the whole; a fixed quorum is a whole number, its `den` is 1.",
  TIE_RULE_NOT_OFFERED: "A tie rejects: a casting vote of the chair and a lot are not offered.",
  SCOPE_WITHOUT_DELEGATION: "A scope of delegation needs delegation to be `scoped`.",
} as const;

export function flawOfRuleset(rules: Ruleset): keyof typeof rulesetRules | undefined {
  const { choices, approval, quorum } = rules;
  if (new Set(choices.map(({ id }) => id)).size < choices.length) return "DUPLICATE_CHOICE";
  const sides = choices.map(({ counts }) => counts);
  if (!sides.includes("for") || !sides.includes("against")) return "ONE_SIDED_CHOICES";
  const isReachable = approval.comparison === "moreThan" ? approval.num < approval.den : approval.num >= 1 && approval.num <= approval.den;
  if (!isReachable) return "APPROVAL_OUT_OF_REACH";
  if (quorum && (quorum.base === "fixed" ? quorum.den !== 1 : quorum.num > quorum.den)) return "QUORUM_OUT_OF_REACH";
  // Why: a lot needs public randomness that the operator cannot choose, a casting vote needs a chair; the log has neither yet.
  if (rules.tie !== "reject") return "TIE_RULE_NOT_OFFERED";
  if (rules.delegation === "off" && rules.delegationScope !== undefined) return "SCOPE_WITHOUT_DELEGATION";
  return undefined;
}

export const effectRules = {
  EFFECT_WITHOUT_ROLE: "Granting or revoking names the role.",
  EFFECT_OVERDETERMINED: "An expulsion names a member and nothing else, and only a grant has an end.",
} as const;

export function flawOfEffects(effects: readonly Effect[]): keyof typeof effectRules | undefined {
  for (const { kind, role, scope, untilAt } of effects) {
    if (kind === "expelMember" ? (role ?? scope ?? untilAt) !== undefined : kind === "revokeRole" && untilAt !== undefined)
      return "EFFECT_OVERDETERMINED";
    if (kind !== "expelMember" && role === undefined) return "EFFECT_WITHOUT_ROLE";
  }
  return undefined;
}
