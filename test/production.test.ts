import pino from "pino";
import { expect, it } from "vitest";
import { readConfig } from "../ops/config.ts";
import { BadConfiguration } from "../ops/terminal.ts";
import { guestsOnly } from "../ops/http/identity.ts";
import { openInstance } from "../ops/instance.ts";
import { guardedHome } from "./support/postgres.ts";

const key = Buffer.alloc(32, 7).toString("base64url");
const open = (home: string, more: NodeJS.ProcessEnv) =>
  openInstance(readConfig({ MINUTEBOOK_HOME: home, MINUTEBOOK_PRODUCTION: "true", ...more }).config, {
    roles: ["signer"],
    logger: pino({ level: "silent" }),
    broke: () => {},
  });

it("refuses keys of its own drawing in production, before anything is opened", async () => {
  const { home, discard } = await guardedHome();
  try {
    await expect(open(home, {})).rejects.toThrow(/MINUTEBOOK_MASTER_KEY/);
    await expect(open(home, { MINUTEBOOK_MASTER_KEY: key })).rejects.toThrow(/MINUTEBOOK_SIGNING_KEY/);
    await expect(open(home, {})).rejects.toBeInstanceOf(BadConfiguration);
  } finally {
    await discard();
  }
});

it("takes no token in production while no issuer can be configured", async () => {
  expect(await guestsOnly.identify({ headers: {} })).toEqual({ kind: "guest" });
  expect(await guestsOnly.identify({ headers: { authorization: "Bearer abc" } })).toMatchObject({ code: "UNAUTHENTICATED", status: 401 });
  await expect(guestsOnly.issue("0192f0c0-0000-4000-8000-00000000000a")).rejects.toThrow(/production/);
});
