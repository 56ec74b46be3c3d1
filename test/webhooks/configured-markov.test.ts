import { expect, it } from "vitest";
import { webhook } from "../../domain/administration/webhook.ts";
import { system } from "../../domain/caller.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { commands } from "../../ops/commands.ts";
import { BadConfiguration } from "../../ops/terminal.ts";
import { readConfig } from "../../ops/config.ts";
import { keepMarkov, markovId } from "../../ops/instance/markov.ts";
import { openCells } from "../../ops/instance/telling.ts";
import { standingOf, stateOf } from "../../ops/instance/streams.ts";
import { desk, type Desk, keysInMemory } from "../support/desk.ts";
import { openingWith } from "./owed-rig.ts";

const origin = "test.example/log";
const secrets = ["0f", "1e", "2d"].map((text) => text.repeat(32)) as [string, string, string];
const url = "http://markov:8080/api/v1/platforms/minutebook/webhook";

function rig() {
  const keys = keysInMemory();
  const log = openMemory();
  const desks: Desk[] = [];
  const said: string[] = [];
  const another = () => {
    const opened = desk(log, commands, { keys });
    desks.push(opened);
    return opened;
  };
  const note = (_: object, message: string) => void said.push(message);
  return {
    log,
    said,
    first: another(),
    another,
    keep: (at: Desk, markovSecret: string, markovUrl = url) =>
      keepMarkov(
        {
          config: { markovUrl, markovSecret },
          log,
          origin,
          handler: at.handler,
          open: openCells({ openingMany: openingWith(keys) }, origin),
          wait: async () => {},
          logger: { info: () => {}, warn: note },
        },
        new AbortController().signal,
      ),
    types: async () => (await log.read(`webhook-${markovId(origin)}`)).map(({ entry }) => entry.type),
    state: async () => stateOf(webhook, (await log.read(`webhook-${markovId(origin)}`)).map(standingOf)),
    close: () => Promise.all(desks.map((one) => one.close())),
  };
}

/** In the contract's form, and in that of Standard Webhooks. */
const bothForms = (...once: string[]) => [...once, ...once];
const registration = ["WebhookRegistered", ...bothForms("WebhookSecretStaged", "WebhookSecretActivated"), "WebhookVerified"];

it("is registered and taken at the operator's word, once, by however many processes", async () => {
  const mine = rig();
  await Promise.all([mine.keep(mine.first, secrets[0]), mine.keep(mine.another(), secrets[0])]);
  await mine.keep(mine.first, secrets[0]);
  expect(await mine.types()).toEqual(registration);
  expect(await mine.state()).toMatchObject({ status: "running", profile: "markov", isVerified: true });
  await mine.close();
});

it("follows a secret and an address that were changed, and goes back", async () => {
  const mine = rig();
  await mine.keep(mine.first, secrets[0]);
  await mine.keep(mine.first, secrets[1]);
  await mine.keep(mine.first, secrets[1], "http://elsewhere:8080/");
  await mine.keep(mine.first, secrets[0], "http://elsewhere:8080/");
  expect(await mine.types()).toEqual([
    ...registration,
    ...bothForms("WebhookSecretStaged", "WebhookSecretActivated"),
    ...["WebhookChanged", "WebhookVerified"],
    ...bothForms("WebhookSecretActivated"),
  ]);
  const state = await mine.state();
  expect("secrets" in state && state.secrets.map(({ state }) => state)).toEqual(["active", "active", "retiring", "retiring"]);
  await mine.close();
});

it("says so where it cannot be as configured", async () => {
  const mine = rig();
  const webhookId = markovId(origin);
  await mine.keep(mine.first, secrets[0]);
  await mine.keep(mine.first, secrets[1]);
  const kid = async () => {
    const state = await mine.state();
    return "secrets" in state ? state.secrets.find(({ scheme, state }) => scheme === "gr" && state === "retiring")!.kid : "";
  };
  await mine.first.send(system("timers"), "RevokeWebhookSecret", { webhookId, kid: await kid() });
  await mine.keep(mine.first, secrets[0]);
  expect(mine.said.at(-1)).toContain("one that was revoked");
  await mine.first.send(system("operator"), "RemoveWebhook", { webhookId });
  await mine.keep(mine.first, secrets[2]);
  expect(mine.said.at(-1)).toContain("was removed by a command");
  await mine.close();
});

const production = (more: Record<string, string>) => () =>
  readConfig({ MINUTEBOOK_PRODUCTION: "true", MINUTEBOOK_MARKOV_URL: "https://markov.example/", MINUTEBOOK_MARKOV_SECRET: good, ...more });
const good = "c2a1f09be4d37f586a0b9c1d2e3f4a5b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f";

it.each([
  ["http", { MINUTEBOOK_MARKOV_URL: "http://markov.example/" }, /MARKOV_URL must have https/],
  ["a secret that is a sentence", { MINUTEBOOK_MARKOV_SECRET: "test_secret_32_chars_minimum_here" }, /MARKOV_SECRET is weak/],
  ["a secret of few signs", { MINUTEBOOK_MARKOV_SECRET: "a1".repeat(20) }, /MARKOV_SECRET is weak/],
  ["a short token", { MINUTEBOOK_MARKOV_TOKEN: "abc" }, /MARKOV_TOKEN is weak/],
])("production refuses %s", (_, more, reason) => {
  expect(production(more as unknown as Record<string, string>)).toThrow(BadConfiguration);
  expect(production(more as unknown as Record<string, string>)).toThrow(reason);
});
it("production takes what was drawn", () => expect(production({})).not.toThrow());
