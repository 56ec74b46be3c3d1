/** Vouches as rows: who vouched for whose skill, and whether that still stands. */
import { canonical } from "../../domain/log/canonical-json.ts";
import { put, type Change, type Projection, type Row, type Told } from "../projection.ts";

export const vouches: Projection = {
  name: "vouches",
  version: 1,
  tables: [
    {
      name: "vouch",
      key: ["voucher_id", "vouchee_id", "skill"],
      history: true,
      columns: {
        voucher_id: "text not null",
        vouchee_id: "text not null",
        skill: "text not null",
        leaf_index: "bigint not null",
        event_id: "text not null",
        state: "text not null",
        weight: "text",
        given_at: "text not null",
        renewed_at: "text",
        until_at: "text not null",
        ended_at: "text",
        message: "text",
      },
      indexes: [["vouchee_id", "leaf_index"], ["voucher_id", "leaf_index"], ["leaf_index"]],
    },
  ],

  on: {
    // Given again, it is another vouch: nothing of the former one stays but its versions.
    VouchGiven: (told) => [
      vouch(told, {
        leaf_index: told.leafIndex,
        event_id: told.entry.id,
        state: "standing",
        weight: told.data.weight ?? null,
        given_at: told.entry.at,
        renewed_at: null,
        until_at: told.data.untilAt,
        ended_at: null,
        message: told.data.message ? canonical({ ...told.data.message, event: told.entry.id, field: "message" }) : null,
      }),
    ],
    VouchRenewed: (told) => [vouch(told, { renewed_at: told.entry.at, until_at: told.data.untilAt })],
    VouchWithdrawn: (told) => [vouch(told, { state: "withdrawn", ended_at: told.entry.at })],
    VouchLapsed: (told) => [vouch(told, { state: "lapsed", ended_at: told.entry.at })],
  },
};

type OfVouch = Told<"VouchGiven"> | Told<"VouchRenewed"> | Told<"VouchWithdrawn"> | Told<"VouchLapsed">;

const vouch = ({ data }: OfVouch, columns: Row): Change =>
  put("vouch", { voucher_id: data.voucherId, vouchee_id: data.voucheeId, skill: data.skill }, columns);
