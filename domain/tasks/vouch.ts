import Type from "typebox";
import type { EventType } from "../../event-schemas/catalogue.ts";
import { vouchEvents, vouchingEvents } from "../../event-schemas/tasks.ts";
import { asked, text, type Timestamp } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { isActive, membership } from "../membership.ts";

/** How long a vouch stands unless it is renewed. */
export const vouchDays = 365;
/** At most so many vouches of one member in so many days of 24 hours. */
export const vouchesMax = 10;
export const vouchesPerDays = 30;

export type VouchState = { readonly status: "none" } | { readonly status: "given"; readonly untilAt: Timestamp };

/** One per voucher, vouchee and skill. */
export const vouch: Stream<VouchState, typeof vouchEvents> = {
  name: "vouch",
  events: vouchEvents,
  initial: { status: "none" },
  evolve: {
    VouchGiven: (_, { untilAt }) => ({ status: "given", untilAt }),
    VouchRenewed: (_, { untilAt }) => ({ status: "given", untilAt }),
    VouchWithdrawn: () => ({ status: "none" }),
    VouchLapsed: () => ({ status: "none" }),
  },
};

/** One per voucher: when the latest vouches were counted, as many as can matter. */
export type VouchingState = { readonly counted: readonly Timestamp[] };

export const vouching: Stream<VouchingState, typeof vouchingEvents> = {
  name: "vouching",
  events: vouchingEvents,
  initial: { counted: [] },
  evolve: {
    VouchCounted: ({ counted }, _, { at }) => ({ counted: [...counted, at].slice(-vouchesMax) }),
  },
};

/** Whether or not its end is recorded, a vouch ends at that moment. */
const stands = (state: VouchState, at: Timestamp) => state.status === "given" && at < state.untilAt;

const strict = { additionalProperties: false } as const;
const Message = text(1, 500);
type Pair = { vouchee: string; skill: string };
const TheVouch = Type.Object({ vouchee: asked.Uuid, skill: asked.Slug }, strict);
const vouchKey = (voucher: string, vouchee: string, skill: string) => `${voucher}.${vouchee}.${skill}`;
const ofTheCaller = ({ input, by }: Call<Pair>) => vouchKey(by, input.vouchee, input.skill);

export const vouchGiving = decider({
  stream: vouch,
  key: { GiveVouch: ofTheCaller, RenewVouch: ofTheCaller, WithdrawVouch: ofTheCaller },
  reads: { vouchee: { stream: membership, key: ({ input }: Call) => input.vouchee } },
  claims: {
    GiveVouch: ({ input: { vouchee, skill }, by }) => [{ command: "CountVouch", input: { vouchee, skill }, subject: by }],
  },
  commands: {
    GiveVouch: Type.Object(
      {
        vouchee: asked.Uuid,
        skill: asked.Slug,
        weight: Type.Optional(Type.Enum(["strong", "moderate", "light"])),
        message: Type.Optional(asked.text(1, 500)),
      },
      strict,
    ),
    RenewVouch: TheVouch,
    WithdrawVouch: TheVouch,
  },
  personal: { GiveVouch: ({ input, by }) => (input.message === undefined ? undefined : by) },
  rules: {
    SELF_VOUCH: "Nobody vouches for themselves.",
    NOT_A_MEMBER: "There is no such member of the community, or the member is suspended.",
    ALREADY_VOUCHED: "The member's vouch for this skill stands; it can be renewed.",
    NO_VOUCH: "No vouch of the member for this skill stands.",
    TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
  },
  decide: {
    GiveVouch: ({ vouchee, skill, weight, message: said }, state, { by, at, reads }) => {
      if (vouchee === by) return reject("SELF_VOUCH");
      if (!isActive(reads.vouchee, at)) return reject("NOT_A_MEMBER");
      if (state.status === "given" && stands(state, at)) return reject("ALREADY_VOUCHED", { untilAt: state.untilAt });
      const message = said?.normalize("NFC");
      if (!Message.optional().safeParse(message).success) return reject("TEXT_TOO_LONG");
      const pair = { voucherId: by, voucheeId: vouchee, skill };
      const told = { ...(weight && { weight }), ...(message !== undefined && { message }) };
      const given = vouchEvents.VouchGiven({ ...pair, ...told, untilAt: daysAfter(at, vouchDays) });
      return state.status === "given" ? [vouchEvents.VouchLapsed(pair), given] : [given];
    },

    RenewVouch: ({ vouchee, skill }, state, { by, at, reads }) => {
      if (!stands(state, at)) return reject("NO_VOUCH");
      if (!isActive(reads.vouchee, at)) return reject("NOT_A_MEMBER");
      return [vouchEvents.VouchRenewed({ voucherId: by, voucheeId: vouchee, skill, untilAt: daysAfter(at, vouchDays) })];
    },

    WithdrawVouch: ({ vouchee, skill }, state, { by, at }) => {
      if (!stands(state, at)) return reject("NO_VOUCH");
      return [vouchEvents.VouchWithdrawn({ voucherId: by, voucheeId: vouchee, skill })];
    },
  },
});

/** The claim of a vouch: the order of this stream decides which is the eleventh. */
export const vouchCounting = decider({
  stream: vouching,
  key: { CountVouch: ({ subject }) => subject },
  reads: {},
  commands: { CountVouch: TheVouch },
  rules: { TOO_MANY_VOUCHES: `A member gives at most ${vouchesMax} vouches in ${vouchesPerDays} days.` },
  decide: {
    CountVouch: ({ vouchee, skill }, { counted }, { subject, at }) => {
      const oldest = counted.length < vouchesMax ? undefined : counted[0]!;
      const againAt = oldest === undefined ? at : daysAfter(oldest, vouchesPerDays);
      if (at < againAt) return reject("TOO_MANY_VOUCHES", { vouchesMax, againAt });
      return [vouchingEvents.VouchCounted({ voucherId: subject, voucheeId: vouchee, skill })];
    },
  },
});

export const vouchLapsing = decider({
  stream: vouch,
  key: { LapseVouch: ({ input }) => vouchKey(input.voucherId, input.voucheeId, input.skill) },
  reads: {},
  commands: { LapseVouch: Type.Object({ voucherId: asked.Uuid, voucheeId: asked.Uuid, skill: asked.Slug }, strict) },
  rules: { NO_VOUCH: "No such vouch stands.", VOUCH_STANDS: "The vouch has not come to its end." },
  decide: {
    LapseVouch: (pair, state, { at }) => {
      if (state.status === "none") return reject("NO_VOUCH");
      if (stands(state, at)) return reject("VOUCH_STANDS", { untilAt: state.untilAt });
      return [vouchEvents.VouchLapsed(pair)];
    },
  },
});

/** What falls due because of an event, and the command that the machine sends then. */
export const vouchTimers = (type: EventType, { voucherId, voucheeId, skill, untilAt }: Readonly<Record<string, unknown>>) =>
  type === "VouchGiven" || type === "VouchRenewed"
    ? { due: untilAt as Timestamp, command: "LapseVouch", input: { voucherId, voucheeId, skill } }
    : undefined;
