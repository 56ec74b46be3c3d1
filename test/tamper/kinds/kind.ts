/** A way to tamper, and every place where it can stand. */
import type { Fault } from "../../../ops/verification/deep/faults.ts";
import type { Query } from "../../../projections/database.ts";
import type { Otherwise, TamperRig } from "../rig.ts";

export type Place = {
  readonly where: string;
  /** What is done to the database, where it is done there. */
  readonly work?: (query: Query) => Promise<unknown>;
  readonly otherwise?: Otherwise;
  /** What must be named; `key` and `reason` by a part of their text. */
  readonly found: Partial<Fault>;
};

export type Kind = {
  readonly kind: string;
  readonly places: (rig: TamperRig) => readonly Place[];
  /** The places have nothing to do with each other: changed all at once, all of them are named. */
  readonly apart?: true;
};
