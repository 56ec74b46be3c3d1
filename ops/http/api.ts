import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { commandRoutes } from "../../commands/http.ts";
import { uploadRoutes } from "../../commands/upload.ts";
import type { Published } from "../../projections/checkpoints.ts";
import { shownCheckpoint } from "../../projections/cosignatures.ts";
import { logRoutes } from "../../read-api/log.ts";
import { type GivenAway, verifierRoutes } from "../../read-api/pages/verifier.ts";
import { readRoutes } from "../../read-api/routes.ts";
import { streamProofRoute } from "../../read-api/stream-proof.ts";
import { mediaRoutes } from "../../read-api/tasks/media.ts";
import { webhookRoutes } from "../../webhooks/http.ts";
import { commands } from "../commands.ts";
import type { Instance } from "../instance.ts";
import { reputationFrom } from "../markov/reputation.ts";
import { cosignerName, cosignerVkey, openCosigner, type OwnCosigner } from "../cosigning/cosigner.ts";
import { openCosignerRecord } from "../cosigning/record.ts";
import { cosignedLogsOf } from "../cosigning/settings.ts";
import { secretOf } from "../keys/secrets.ts";
import { BadRecord, readSignerStatus } from "../keys/signing-record.ts";
import { cosignerRoutes } from "./cosigner.ts";
import { healthRoutes } from "./health.ts";
import { countAnswers, metricsRoute } from "./metrics.ts";
import { readDepsOf } from "./reads.ts";
import { type Broke, httpServer } from "./server.ts";
import { openMedia, uploadsOf } from "./uploads.ts";
import { webhooksOf } from "./webhooks.ts";

/** The HTTP API of an instance, ready to listen. Each part stands in a scope of its own, for each reads bodies in its own way. */
export async function openApi(instance: Instance, broke: Broke): Promise<FastifyInstance> {
  const { handler, identity, ambient, logger, config } = instance;
  const { markovUrl: url, markovToken: token } = config;
  const reads = readDepsOf(instance, {
    broke: (why) => logger.error({ err: why }, "a read failed"),
    checkpoint: shownCheckpoints(instance),
    policy: instance.policy,
    signer: () => readSignerStatus(config.home),
    ...(url !== undefined && { reputation: reputationFrom({ url, token }) }),
  });
  const media = await openMedia(config);
  const cosigner = await ownCosigner(instance);
  return httpServer(
    logger,
    broke,
    async (app) => {
      healthRoutes(app, instance);
      metricsRoute(app, instance);
      await app.register(async (scope) => commandRoutes(scope, { commands, handler, identify: identity.identify, random: ambient.random }));
      await app.register(async (scope) => uploadRoutes(scope, uploadsOf(instance, media)));
      await app.register(async (scope) =>
        mediaRoutes(scope, {
          ...reads,
          find: media.store.find,
          looked: (told) => logger.info(told, "an original of evidence was looked at"),
        }),
      );
      await app.register(async (scope) => webhookRoutes(scope, webhooksOf(instance)));
      await app.register(async (scope) => readRoutes(scope, reads));
      await app.register(async (scope) => verifierRoutes(scope, givenAway()));
      if (cosigner) await app.register(async (scope) => cosignerRoutes(scope, cosigner));
      await app.register(async (scope) => {
        logRoutes(scope, { ...reads, vkey: instance.vkey });
        streamProofRoute(scope, reads);
      });
    },
    countAnswers(instance.metrics),
  );
}

/** Never an older one than was shown before: who has that goes on to ask for its tiles. */
function shownCheckpoints({ database, policy }: Instance): () => Promise<Published | undefined> {
  let greatest = 0;
  return async () => {
    const shown = await shownCheckpoint(database.query, policy, greatest);
    greatest = Math.max(greatest, shown?.size ?? 0);
    return shown;
  };
}

/** Where a list of logs is configured. Its name is made of the log's, which never changes. */
async function ownCosigner({ config, origin, vault, ambient, logger }: Instance): Promise<OwnCosigner | undefined> {
  const logs = cosignedLogsOf(config);
  if (!logs) return undefined;
  const { bytes: seed } = secretOf(config.home, "cosigner.key", config.cosignerKey);
  const name = cosignerName(origin);
  const tookOver = (told: object) =>
    logger.warn({ part: "cosigner", ...told }, "the cosigner's record begins with what the database knows of this log");
  const record = openCosignerRecord({ home: config.home, vkey: cosignerVkey(name, seed), query: vault.query, tookOver });
  // What a person has to decide is said at once, and not when somebody asks.
  for (const log of logs.keys())
    await record.last(log).catch((fault: Error) => {
      if (!(fault instanceof BadRecord)) throw fault;
      logger.error({ part: "cosigner", reason: fault.message }, "this log is not cosigned until a person has looked");
    });
  return openCosigner({ seed, name, logs, record, now: ambient.now });
}

/** The generated files, as they lie in this checkout. */
function givenAway(): GivenAway {
  const read = (name: string) => readFileSync(new URL(`../../read-api/explorer/verifier/${name}`, import.meta.url), "utf8");
  return { page: read("verifier.html"), script: read("minutebook-verify.mjs") };
}
