import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import type { Audience } from "../domain/caller.ts";
import type { Decider } from "../domain/decider.ts";

export type Exposure = { readonly by: Audience; readonly summary: string };

export type Fault = { readonly pointer: string; readonly message: string };

/** A command that can be asked for: everything that its route, its page in the API reference and its handling need. */
export type Exposed = Exposure & {
  /** `CastBallot` */
  readonly name: string;
  /** `cast-ballot`: the last part of its path, and what `.command` calls it. */
  readonly path: string;
  readonly context: string;
  readonly decider: Decider;
  readonly input: TSchema;
  /** What is wrong with an input: one fault a place, none when it has the command's shape. */
  readonly faults: (input: unknown) => readonly Fault[];
};

/** Exposes every command of a decider; the compiler names the ones that are left out. */
export const expose = <C extends Record<string, TSchema>>(
  context: string,
  decider: Decider<any, any, C, any, any>,
  exposures: { readonly [N in keyof C]: Exposure },
): readonly Exposed[] =>
  Object.entries<Exposure>(exposures).map(([name, exposure]) => ({
    ...exposure,
    name,
    path: kebab(name),
    context,
    decider: decider as Decider,
    input: decider.commands[name]!,
    faults: faultsOf(decider.commands[name]!),
  }));

const kebab = (name: string) => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "-").toLowerCase();

function faultsOf(schema: TSchema): Exposed["faults"] {
  const shape = Compile(schema);
  return (input) => {
    if (shape.Check(input)) return [];
    const faults = new Map<string, string>();
    for (const { keyword, instancePath, message } of shape.Errors(input)) {
      // One unknown member is reported twice, by name and by its parent: its name says more.
      if (keyword === "additionalProperties") continue;
      const said = keyword === "boolean" ? "is not a member of this command's input" : message;
      if (!faults.has(instancePath)) faults.set(instancePath, said);
    }
    return [...faults].slice(0, 50).map(([pointer, message]) => ({ pointer, message }));
  };
}
