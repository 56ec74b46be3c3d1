import type { EventType } from "../../event-schemas/catalogue.ts";

type Fields = Readonly<Record<string, any>>;
/** `about` tells the timers of one stream apart. */
type Timer = { readonly due: string; readonly command: string; readonly input: Record<string, unknown>; readonly about?: string };

const replaced = ({ contributionId, replyBy }: Fields): Timer => ({ due: replyBy, command: "ReplaceVerifiers", input: { contributionId } });

const timers: { readonly [N in EventType]?: (data: Fields) => Timer } = {
  TaskClaimed: ({ taskId, memberId, startBy }) => ({ due: startBy, command: "LapseClaim", input: { taskId, memberId }, about: memberId }),
  VerifiersLacking: ({ contributionId, againAt }) => ({ due: againAt, command: "CallVerifiers", input: { contributionId } }),
  VerifiersDrawn: replaced,
  VerifiersReplaced: replaced,
};

/** What falls due because of an event of tasks and their verification, and the command that the machine sends then. */
export const workTimers = (type: EventType, data: Fields): Timer | undefined => timers[type]?.(data);
