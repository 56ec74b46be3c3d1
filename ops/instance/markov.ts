import type { CommandHandler } from "../../commands/handle.ts";
import { webhook, type WebhookState } from "../../domain/administration/webhook.ts";
import { system } from "../../domain/caller.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import type { EventLog, Recorded } from "../../domain/log/event-log.ts";
import { commandId, commandNamespace, madeId } from "../../domain/log/ids.ts";
import { isSealed } from "../../domain/log/sealed.ts";
import { readAddress } from "../../domain/administration/address.ts";
import type { SealedCell } from "../../webhooks/delivery/world.ts";
import type { Telling } from "../../webhooks/tellable.ts";
import type { Config } from "../config.ts";
import { commandNamed } from "../founding.ts";
import { standingOf, stateOf } from "./streams.ts";

export type MarkovRun = {
  readonly config: Pick<Config, "markovUrl" | "markovSecret">;
  readonly log: EventLog;
  readonly origin: string;
  readonly handler: Pick<CommandHandler, "handle">;
  readonly open: Telling["open"];
  readonly wait: (ms: number) => Promise<void>;
  readonly logger: { info(context: object, message: string): void; warn(context: object, message: string): void };
};

const caller = system("markov");
const registration = "register-configured-markov";
const retryMs = 250;

/** The id of the webhook that the configured Markov engine is told through: the same for as long as the log lives. */
export const markovId = (origin: string) => madeId(commandId(commandNamespace(origin), caller.id, registration), 0);

type Step = { readonly command: string; readonly key: string; readonly input: Record<string, Json> };

/**
 * Makes the log say what the configuration says: registers the engine once, and changes its address and its secret when they were changed. Each
 * step is a command whose key tells what it builds on, so that two processes, or one that crashed, take it once.
 */
export async function keepMarkov(run: MarkovRun, signal: AbortSignal): Promise<void> {
  const { log, origin, handler, logger, wait } = run;
  const webhookId = markovId(origin);
  while (!signal.aborted) {
    const entries = await log.read(`${webhook.name}-${webhookId}`);
    const step = await nextStep(run, webhookId, entries);
    if (step === undefined) return;
    if (typeof step === "string") return logger.warn({ part: "markov", webhook: webhookId }, step);
    const answer = await handler.handle({ command: commandNamed(step.command), caller, key: step.key, input: step.input });
    if (answer.kind === "accepted") logger.info({ part: "markov", webhook: webhookId, command: step.command }, "as configured");
    else if (answer.problem.status === 503) await wait(retryMs);
    else
      return logger.warn({ part: "markov", webhook: webhookId, code: answer.problem.code }, `not as configured: ${answer.problem.detail}`);
  }
}

/** What is still to be done; a sentence where nothing can be; undefined when all is as configured. */
async function nextStep({ config, open }: MarkovRun, webhookId: string, entries: readonly Recorded[]): Promise<Step | string | undefined> {
  const { markovUrl: url, markovSecret: secret } = config;
  if (url === undefined || secret === undefined) return undefined;
  if (entries.length === 0) return { command: "RegisterWebhook", key: registration, input: { profile: "markov", url, secret } };
  const state: WebhookState = stateOf(webhook, entries.map(standingOf));
  if (state.status === "none" || state.status === "removed") return "the configured Markov was removed by a command: it is told nothing";
  const on = (command: string, more: Record<string, Json> = {}): Step => ({
    command,
    key: `${command}/configured-markov/${entries.length}`,
    input: { webhookId, ...more },
  });
  const address = readAddress(url, { anyHttp: true });
  if ("fault" in address) return `MINUTEBOOK_MARKOV_URL cannot be told: ${address.fault}`;
  const told = await textsIn(entries, open);
  if (told.url !== address.url) return on("ChangeWebhook", { url });
  const known = state.secrets.find(({ kid, scheme }) => scheme === "gr" && told.secrets.get(kid) === secret);
  if (!known) return on("StageWebhookSecret", { scheme: "gr", secret });
  if (known.state === "revoked") return "MINUTEBOOK_MARKOV_SECRET is one that was revoked";
  if (known.state !== "active") return on("ActivateWebhookSecret", { kid: known.kid });
  const other = standardForm(secret);
  const sameKey = state.secrets.find(({ kid, scheme }) => scheme === "v1" && told.secrets.get(kid) === other);
  if (other !== undefined && !sameKey) return on("StageWebhookSecret", { scheme: "v1", secret: other });
  if (sameKey?.state === "staged" || sameKey?.state === "retiring") return on("ActivateWebhookSecret", { kid: sameKey.kid });
  return state.status === "running" && !state.isVerified ? on("VerifyWebhook", { address: state.address }) : undefined;
}

const standardKeyBytes = [24, 64] as const;

/**
 * The same secret in the form of Standard Webhooks, whose headers go with the contract's own: the key is the text's bytes in both. Undefined where
 * it is too long for that form.
 */
function standardForm(secret: string): string | undefined {
  const key = Buffer.from(secret);
  const [least, most] = standardKeyBytes;
  return key.length >= least && key.length <= most ? `whsec_${key.toString("base64")}` : undefined;
}

/** The address and the secrets as they were recorded, opened. */
async function textsIn(entries: readonly Recorded[], open: Telling["open"]) {
  const cells = entries.flatMap(({ entry, data }) =>
    ["url", "secret"].flatMap((field) => {
      const value = data[field];
      return isSealed(value)
        ? [{ kid: data["kid"] as string | undefined, cell: { ...value, event: entry.id, field } satisfies SealedCell }]
        : [];
    }),
  );
  const texts = (await open(cells.map(({ cell }) => cell))) as readonly (string | undefined)[];
  const secrets = new Map<string, string | undefined>();
  let url: string | undefined;
  for (const [n, { kid }] of cells.entries()) {
    if (kid === undefined) url = texts[n];
    else secrets.set(kid, texts[n]);
  }
  return { url, secrets };
}
