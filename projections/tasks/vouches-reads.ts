/** Questions about vouches. What is sealed is answered sealed. */
import { standing, type AsOf } from "../as-of.ts";
import type { Query } from "../database.ts";
import { Conditions, list, type Listed, type Page } from "../pages.ts";

export type VouchRow = {
  readonly voucher_id: string;
  readonly vouchee_id: string;
  readonly skill: string;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly state: "standing" | "withdrawn" | "lapsed";
  readonly weight: "strong" | "moderate" | "light" | null;
  readonly given_at: string;
  readonly renewed_at: string | null;
  readonly until_at: string;
  readonly ended_at: string | null;
  readonly message: string | null;
};

/** In the order in which they were given; `standingAt`: only those that stand at this moment, whether or not their end is recorded. */
export const vouches = (
  { query }: { readonly query: Query },
  page: Page,
  filter: { voucherId?: string; voucheeId?: string; skill?: string; standingAt?: string },
  asOf?: AsOf,
): Promise<Listed<VouchRow>> =>
  list(
    query,
    { from: "read.vouch" },
    new Conditions()
      .and((values) => standing("vouch", asOf, values))
      .with("voucher_id = $", filter.voucherId)
      .with("vouchee_id = $", filter.voucheeId)
      .with("skill = $", filter.skill)
      .with("state = 'standing' and until_at > $", filter.standingAt),
    page,
  );
