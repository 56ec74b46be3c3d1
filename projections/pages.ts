/** Lists in log order, page by page: a place in a list is the leaf index where a thing began, so it stays when the list changes. */
import type { Cell } from "./projection.ts";
import type { Query, Value } from "./database.ts";

export type Page = { readonly first: number; readonly after?: number };
export type Listed<R> = { readonly rows: readonly R[]; readonly more: boolean };

/** Filters that are not given are left out. */
export class Conditions {
  readonly values: Value[] = [];
  readonly #texts: string[] = [];

  /** `$` in the text stands for the value. */
  with(text: string, value: Cell | readonly Cell[] | undefined): this {
    if (value === undefined) return this;
    this.values.push(value);
    this.#texts.push(text.replace("$", () => `$${this.values.length}`));
    return this;
  }

  /** A condition that adds its own values. */
  and(condition: (values: Value[]) => string): this {
    this.#texts.push(condition(this.values));
    return this;
  }

  get where(): string {
    return this.#texts.length === 0 ? "" : `where ${this.#texts.join(" and ")}`;
  }
}

/** `from` names one table with a column `leaf_index`, by which the list is sorted; what is selected may join more. */
export async function list<R extends object>(
  query: Query,
  { select = "*", from, place = "leaf_index" }: { select?: string; from: string; place?: string },
  conditions: Conditions,
  { first, after }: Page,
): Promise<Listed<R>> {
  conditions.with(`${place} > $`, after);
  const rows = await query<R>(
    `select ${select} from ${from} ${conditions.where} order by ${place} limit ${Number(first) + 1}`,
    conditions.values,
  );
  return { rows: rows.slice(0, first), more: rows.length > first };
}
