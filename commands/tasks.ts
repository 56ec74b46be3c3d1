import { expose, type Exposed } from "./expose.ts";

const context = "tasks";

/** Tasks, contributions and their verification. */
const work: readonly Exposed[] = [];

/** Media, evidence and attestations. */
const proof: readonly Exposed[] = [];

/** Vouches. */
const vouches: readonly Exposed[] = [];

export const tasksCommands: readonly Exposed[] = [...work, ...proof, ...vouches];
