import { Type, type TSchema } from "typebox";
import { z } from "zod";

/** A word with one exact form, as zod for what is recorded and as TypeBox for what is asked. `test/values.test.ts` holds the two equal. */
type Word = { readonly pattern: RegExp; readonly lengthMax?: number; readonly about: string };

const words = {
  Uuid: { pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, about: "A lower-case UUID." },
  Timestamp: {
    pattern: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/,
    about: "A moment in UTC with exactly three decimals, such as 2026-11-20T08:00:00.000Z.",
  },
  AmountMinor: { pattern: /^(0|[1-9]\d{0,12})$/, about: "An amount of money in minor units, as a decimal string." },
  Coordinate: { pattern: /^-?(0|[1-9]\d{0,2})(\.\d{1,7})?$/, about: "Degrees as a decimal string." },
  Handle: { pattern: /^[a-z0-9_.-]{1,50}$/, about: "A public name: 1 to 50 of a-z, 0-9, `_`, `.`, `-`." },
  Slug: { pattern: /^[a-z0-9][a-z0-9-]{0,62}$/, about: "A short lower-case word, such as a choice or a tag." },
  Digest: { pattern: /^[A-Za-z0-9_-]{43}$/, about: "A SHA-256 digest in base64url without padding." },
  HexDigest: { pattern: /^[0-9a-f]{64}$/, about: "A SHA-256 digest in hexadecimal, as every tool prints it." },
  Actor: { pattern: /^(system:[a-z0-9-]{1,60}|[A-Za-z0-9._-]{1,90})$/, about: "A member's id, or `system:<name>`." },
} as const satisfies Record<string, Word>;

const asZod = ({ pattern }: Word) => z.string().regex(pattern);
const asTypeBox = ({ pattern, about }: Word) => Type.String({ pattern: pattern.source, description: about });

const real = (text: string) => !Number.isNaN(Date.parse(text)) && new Date(Date.parse(text)).toISOString() === text;

/** Words as they are recorded. */
export const Uuid = asZod(words.Uuid);
export const Timestamp = asZod(words.Timestamp).refine(real, "not a date of the calendar");
export const AmountMinor = asZod(words.AmountMinor);
export const Coordinate = asZod(words.Coordinate);
export const Handle = asZod(words.Handle);
export const Slug = asZod(words.Slug);
export const Digest = asZod(words.Digest);
export const HexDigest = asZod(words.HexDigest);
export const Actor = asZod(words.Actor);
export const text = (lengthMin: number, lengthMax: number) =>
  z
    .string()
    .refine((value) => isText(value, lengthMin, lengthMax), `not a text of ${lengthMin} to ${lengthMax} characters`)
    // JSON Schema counts code points too.
    .meta({ minLength: lengthMin, maxLength: lengthMax });
export const Title = text(1, 200);
export const BodyText = text(0, 10_000);
export const Count = z.int().min(0);

/** Characters are code points: `length` would count an emoji twice, a grapheme count changes with Unicode. */
const isText = (value: string, lengthMin: number, lengthMax: number) => {
  const length = [...value].length;
  return value.isWellFormed() && !value.includes("\0") && length >= lengthMin && length <= lengthMax;
};

const askedText = (lengthMin: number, lengthMax: number) =>
  Type.Refine(
    Type.String({ minLength: lengthMin, maxLength: lengthMax }),
    (value) => isText(value as string, lengthMin, lengthMax),
    () => `must be a text of ${lengthMin} to ${lengthMax} characters`,
  );

/** The same words as they are asked for. */
export const asked = {
  Uuid: asTypeBox(words.Uuid),
  Timestamp: Type.Refine(
    asTypeBox(words.Timestamp),
    (value) => real(value as string),
    () => "must be a date of the calendar",
  ),
  AmountMinor: asTypeBox(words.AmountMinor),
  Coordinate: asTypeBox(words.Coordinate),
  Handle: asTypeBox(words.Handle),
  Slug: asTypeBox(words.Slug),
  Digest: asTypeBox(words.Digest),
  HexDigest: asTypeBox(words.HexDigest),
  text: askedText,
  Title: askedText(1, 200),
  BodyText: askedText(0, 10_000),
} as const satisfies Record<string, TSchema | ((...bounds: number[]) => TSchema)>;

export type MemberId = string;
export type Timestamp = string;
