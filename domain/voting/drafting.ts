import Type, { type Static } from "typebox";
import { asked, BodyText, text, Title } from "../../event-schemas/values.ts";
import { proposalEvents } from "../../event-schemas/voting.ts";
import { type Context, decider, reject } from "../decider.ts";
import { holds, roles } from "../membership.ts";
import { type Content, contentOf, proposal, recordedContent, type ProposalState } from "./proposal.ts";
import { AskedEffects, AskedRuleset, completed, defaultScope, effectRules, flawOfEffects, flawOfRuleset, rulesetRules } from "./ruleset.ts";

const strict = { additionalProperties: false } as const;
const Tags = Type.Array(asked.Slug, { maxItems: 20, uniqueItems: true });

const commands = {
  DraftProposal: Type.Object(
    {
      proposalId: Type.Optional(asked.Uuid),
      title: asked.Title,
      body: Type.Optional(asked.BodyText),
      ruleset: Type.Optional(AskedRuleset),
      effects: Type.Optional(AskedEffects),
      tags: Type.Optional(Tags),
      source: Type.Optional(Type.Object({ system: asked.Slug, id: asked.text(1, 200) }, strict)),
    },
    strict,
  ),
  AmendProposal: Type.Object(
    {
      proposalId: asked.Uuid,
      title: Type.Optional(asked.Title),
      body: Type.Optional(asked.BodyText),
      ruleset: Type.Optional(AskedRuleset),
      effects: Type.Optional(AskedEffects),
      tags: Type.Optional(Tags),
    },
    { ...strict, description: "Each part given takes the place of the one that stands; the others stay." },
  ),
  WithdrawProposal: Type.Object({ proposalId: asked.Uuid }, strict),
};

const rules = {
  PROPOSAL_EXISTS: "A proposal of this id was drafted before.",
  NO_SUCH_PROPOSAL: "There is no proposal of this id.",
  NOT_A_DRAFT: "A proposal can be changed only before its voting is opened.",
  NOT_YOURS: "A proposal is changed or withdrawn by the member who proposed it, or by an officer.",
  RUNS_BY_ITSELF: "A motion of no confidence is drafted, opened and closed by its petition and its time, by nobody's hand.",
  TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
  ...rulesetRules,
  ...effectRules,
};
type Rule = keyof typeof rules;

const flawOf = (content: Content): Rule | undefined => flawOfRuleset(content.ruleset) ?? flawOfEffects(content.effects) ?? tooLong(content);

/** Normalising makes some texts longer than they were asked to be. */
const tooLong = ({ title, body = "", ruleset }: Content): Rule | undefined => {
  const labels = ruleset.choices.flatMap(({ label }) => label ?? []);
  const isFitting = fits(Title, title) && fits(BodyText, body) && labels.every((label) => fits(text(1, 200), label));
  return isFitting ? undefined : "TEXT_TOO_LONG";
};
const fits = (schema: typeof Title, value: string) => schema.safeParse(value).success;

const mayNotChange = (state: ProposalState, { by, at, reads }: Context<typeof readings, unknown>): Rule | undefined => {
  if (state.status === "none") return "NO_SUCH_PROPOSAL";
  if (state.kind === "noConfidence") return "RUNS_BY_ITSELF";
  if (state.proposer !== by && !holds(reads.roles, by, "officer", defaultScope, at)) return "NOT_YOURS";
  return undefined;
};

const amended = (content: Content, { title, body, ruleset, effects, tags }: Static<typeof commands.AmendProposal>): Content =>
  contentOf({
    title: title ?? content.title,
    body: body ?? content.body,
    ruleset: ruleset ? completed(ruleset) : content.ruleset,
    effects: effects ?? content.effects,
    tags: tags ?? content.tags,
  });

const readings = { roles: { stream: roles, key: () => "" } };

export const drafting = decider({
  stream: proposal,
  key: {
    DraftProposal: ({ input, made }) => input.proposalId ?? made(0),
    AmendProposal: ({ input }) => input.proposalId,
    WithdrawProposal: ({ input }) => input.proposalId,
  },
  reads: readings,
  commands,
  creates: { DraftProposal: ({ input, made }) => ({ proposalId: input.proposalId ?? made(0) }) },
  rules,
  decide: {
    DraftProposal: ({ proposalId, title, body, ruleset, effects = [], tags = [], source }, state, { made }) => {
      if (state.status !== "none") return reject("PROPOSAL_EXISTS");
      const content = contentOf({ title, body, ruleset: completed(ruleset), effects, tags });
      const flaw = flawOf(content) ?? (source && !fits(text(1, 200), source.id.normalize("NFC")) ? "TEXT_TOO_LONG" : undefined);
      if (flaw) return reject(flaw);
      return [
        proposalEvents.ProposalDrafted({
          proposalId: proposalId ?? made(0),
          ...recordedContent(content),
          ...(source && { source }),
          kind: "ordinary",
        }),
      ];
    },

    AmendProposal: (input, state, context) => {
      const refusal = mayNotChange(state, context);
      if (refusal) return reject(refusal);
      if (state.status !== "draft") return reject("NOT_A_DRAFT");
      const content = amended(state.content, input);
      const flaw = flawOf(content);
      if (flaw) return reject(flaw);
      return [proposalEvents.ProposalAmended({ proposalId: input.proposalId, ...recordedContent(content) })];
    },

    WithdrawProposal: ({ proposalId }, state, context) => {
      const refusal = mayNotChange(state, context);
      if (refusal) return reject(refusal);
      if (state.status !== "draft" && state.status !== "opening") return reject("NOT_A_DRAFT");
      return [proposalEvents.ProposalWithdrawn({ proposalId })];
    },
  },
});
