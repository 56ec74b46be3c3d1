import { expect, it } from "vitest";
import { shown } from "../../ops/cli/config.ts";
import { readConfig, settings } from "../../ops/config.ts";
import { BadConfiguration } from "../../ops/terminal.ts";

const key = Buffer.alloc(32, 9).toString("base64url");
const secrets = {
  MINUTEBOOK_DATABASE_URL: "postgres://somebody:hidden-word@db.example/minutes",
  MINUTEBOOK_EVENT_STORE: "esdb://somebody:hidden-word@es.example:2113",
  MINUTEBOOK_SIGNING_KEY: key,
  MINUTEBOOK_MASTER_KEY: key,
  MINUTEBOOK_INSTANCE_KEY: key,
};

it("lists every setting with where it comes from, and no secret in any part", () => {
  const listed = readConfig({ ...secrets, MINUTEBOOK_PORT: "4200" }).sources.map(shown);
  expect(listed.map(({ name }) => name)).toEqual(Object.keys(settings));
  expect(listed.find(({ name }) => name === "MINUTEBOOK_PORT")).toMatchObject({ value: 4_200, from: "environment" });
  expect(listed.find(({ name }) => name === "MINUTEBOOK_LOG_LEVEL")).toMatchObject({ value: "info", from: "default" });
  for (const name of Object.keys(secrets)) expect(listed.find((each) => each.name === name)).toMatchObject({ value: "(set, not shown)" });
  const text = JSON.stringify(listed);
  for (const hidden of ["hidden-word", "somebody", key]) expect(text).not.toContain(hidden);
});

it("names every setting that is wrong", () => {
  const wrong = () => readConfig({ MINUTEBOOK_PORT: "0", MINUTEBOOK_MASTER_KEY: "short", MINUTEBOOK_PROT: "1" });
  expect(wrong).toThrow(BadConfiguration);
  expect(wrong).toThrow(/MINUTEBOOK_PROT is not a setting[^]*MINUTEBOOK_PORT[^]*MINUTEBOOK_MASTER_KEY/);
});
