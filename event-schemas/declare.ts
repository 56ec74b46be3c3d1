import { z } from "zod";

/** A field that tells something about a person: stored sealed under the key of the subject whose id stands in the named field. */
export type Personal<S extends z.ZodType = z.ZodType> = { readonly personal: S; readonly subject: string };
export const personal = <S extends z.ZodType>(schema: S, subject: string): Personal<S> => ({ personal: schema, subject });

export type Fields = Record<string, z.ZodType | Personal>;

/** What a personal field is once stored: an id of a key, and what that key opens. */
export type SealedValue = { readonly key: string; readonly sealed: string };

/** An earlier shape of an event, and how it is read today. Pure and total: it sees no clock and never fails. */
export type Earlier = { readonly fields: Fields; readonly upcast: (data: any) => Record<string, unknown> };

export type Declaration = {
  readonly version: number;
  readonly summary: string;
  readonly fields: Fields;
  readonly earlier?: Readonly<Record<number, Earlier>>;
};
export type Declarations = Record<string, Declaration>;

type Plain<F> = F extends Personal<infer S> ? z.output<S> : F extends z.ZodType ? z.output<F> : never;
type Given<F> = F extends Personal<infer S> ? z.input<S> : F extends z.ZodType ? z.input<F> : never;
type Kept<F> = F extends Personal<infer S> ? SealedValue | (undefined extends z.output<S> ? undefined : never) : Plain<F>;
type Optional<O> = { [K in keyof O as undefined extends O[K] ? K : never]?: Exclude<O[K], undefined> };
type Required<O> = { [K in keyof O as undefined extends O[K] ? never : K]: O[K] };
type Shape<O> = { readonly [K in keyof (Required<O> & Optional<O>)]: (Required<O> & Optional<O>)[K] };

/** What a constructor takes, and what `evolve` and projections are given: the same, but for personal fields, which stay sealed. */
export type GivenTo<D extends Declaration> = Shape<{
  [F in keyof D["fields"]]: Given<D["fields"][F]> | (undefined extends Given<D["fields"][F]> ? undefined : never);
}>;
export type StoredOf<D extends Declaration> = Shape<{ [F in keyof D["fields"]]: Kept<D["fields"][F]> }>;

/** An event as a decision makes it: not yet sealed, chained or recorded. */
export type NewEvent<Type extends string = string> = {
  readonly type: Type;
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
};

export type Events<D extends Declarations = any> = {
  readonly [N in keyof D & string]: ((data: GivenTo<D[N]>) => NewEvent<N>) & { readonly declaration: D[N] };
};
export type StoredFields<E extends Events, N extends keyof E> = E[N] extends { readonly declaration: infer D extends Declaration }
  ? StoredOf<D>
  : never;

export const isPersonal = (field: z.ZodType | Personal): field is Personal => "personal" in field;
export const schemaOf = (fields: Fields): z.ZodObject =>
  z.strictObject(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, isPersonal(field) ? field.personal : field])));

/** One constructor for each declared event. Constructing checks the data (a ZodError is a bug of the decision), so an ill-formed event cannot be made. */
export function declareEvents<const D extends Declarations>(declarations: D): Events<D> {
  const constructors = Object.entries(declarations).map(([type, declaration]) => {
    const schema = schemaOf(declaration.fields);
    const construct = (data: unknown): NewEvent => ({ type, version: declaration.version, data: present(schema.parse(data)) });
    return [type, Object.assign(construct, { declaration })];
  });
  return Object.fromEntries(constructors);
}

const present = (data: Record<string, unknown>) =>
  Object.values(data).includes(undefined) ? Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined)) : data;
