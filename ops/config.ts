import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { BadConfiguration } from "./terminal.ts";

const processRoles = ["api", "projector", "policies", "timers", "deliverer", "signer"] as const;
export type ProcessRole = (typeof processRoles)[number];

type Setting = { readonly schema: z.ZodType; readonly about: string; readonly secret?: true };

const key32 = z.base64url().refine((text) => Buffer.from(text, "base64url").length === 32, "is not 32 bytes in base64url");
const origin = z.url({ protocol: /^https?$/ });

/** Every setting there is: an environment variable, or the same name with `_FILE` for a file that holds it. */
export const settings = {
  MINUTEBOOK_HOME: { schema: z.string().min(1).default("./.minutebook"), about: "Where data, keys and the embedded database lie." },
  MINUTEBOOK_PORT: {
    schema: z.coerce.number().int().min(1).max(65_535).default(4100),
    about: "The port on 127.0.0.1; the next free one below 32768 when it is taken.",
  },
  MINUTEBOOK_HOST: { schema: z.string().min(1).default("127.0.0.1"), about: "The address to listen on." },
  MINUTEBOOK_PUBLIC_ORIGIN: {
    schema: origin.optional(),
    about: "How the world reaches this instance, such as https://minutes.example.org.",
  },
  MINUTEBOOK_LOG_ORIGIN: {
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{1,255}$/)
      .refine((text) => !/[+"\\]/.test(text), 'holds + " or \\')
      .optional(),
    about: "The log's name; fixed for ever when the log opens.",
  },
  MINUTEBOOK_DATABASE_URL: {
    schema: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    about: "A Postgres of your own; the embedded one when absent.",
    secret: true,
  },
  MINUTEBOOK_EVENT_STORE: {
    schema: z
      .string()
      .regex(/^(postgres|esdb(\+discover)?:\/\/.+)$/)
      .default("postgres"),
    about: "`postgres`, or esdb://… for EventStoreDB.",
    secret: true,
  },
  MINUTEBOOK_ROLES: {
    schema: z
      .string()
      .default(processRoles.join(","))
      .transform((text) => text.split(",").map((role) => role.trim()))
      .pipe(z.array(z.enum(processRoles)).min(1)),
    about: `What this process does, of ${processRoles.join(", ")}.`,
  },
  MINUTEBOOK_SIGNING_KEY: {
    schema: z
      .string()
      .refine(
        (text) => text.split(",").every((one) => key32.safeParse(one).success),
        "is not 32 bytes in base64url, or several with commas between",
      )
      .refine((text) => new Set(text.split(",")).size === text.split(",").length, "holds a key twice")
      .optional(),
    about:
      "The log's Ed25519 seed, 32 bytes in base64url; the old and the new one, with a comma, while it changes. Made and kept under MINUTEBOOK_HOME when absent.",
    secret: true,
  },
  MINUTEBOOK_RECOVERY_VKEY: {
    schema: z.string().min(1).max(400).optional(),
    about: "The recovery key that the log names as it is opened: what `minutebook keys recovery` prints. Its secret is kept elsewhere.",
  },
  MINUTEBOOK_MASTER_KEY: {
    schema: key32.optional(),
    about: "Wraps subject keys and the instance key; made and kept under MINUTEBOOK_HOME when absent.",
    secret: true,
  },
  MINUTEBOOK_INSTANCE_KEY: {
    schema: key32.optional(),
    about: "Names guessable parts of streams; for several nodes that start at once. Else drawn and kept, wrapped, in the database.",
    secret: true,
  },
  MINUTEBOOK_MARKOV_URL: {
    schema: origin.optional(),
    about: "The webhook of the Markov reputation engine, whole; it is told of contributions, evidence and vouches.",
  },
  MINUTEBOOK_MARKOV_SECRET: {
    schema: z.string().min(32, "has fewer than 32 characters").optional(),
    about: "Signs what Markov is told, at least 32 characters.",
    secret: true,
  },
  MINUTEBOOK_MARKOV_TOKEN: { schema: z.string().min(1).optional(), about: "Reads reputation back from Markov.", secret: true },
  MINUTEBOOK_WEBHOOK_ALLOW: {
    schema: z
      .string()
      .default("")
      .transform((text) => text.split(",").flatMap((range) => range.trim() || []))
      .pipe(z.array(z.union([z.cidrv4(), z.cidrv6()], "is not a list of ranges such as 10.0.0.0/8"))),
    about: "Private networks that webhooks and questions to cosigners may reach, as 10.0.0.0/8,fd00::/8; none unless named.",
  },
  MINUTEBOOK_MEDIA_URL: {
    schema: origin.optional(),
    about:
      "A bucket of an S3-compatible store for the bytes of evidence, as https://s3.example.org/bucket; a folder of the home when absent.",
  },
  MINUTEBOOK_MEDIA_REGION: { schema: z.string().min(1).default("us-east-1"), about: "The bucket's region." },
  MINUTEBOOK_MEDIA_KEY_ID: { schema: z.string().min(1).optional(), about: "The id of the key that the bucket knows us by." },
  MINUTEBOOK_MEDIA_SECRET: { schema: z.string().min(1).optional(), about: "The key that the bucket knows us by.", secret: true },
  MINUTEBOOK_COSIGNERS: {
    schema: z.string().min(1).optional(),
    about: "A file with a C2SP tlog-policy: who is asked to cosign this log's checkpoints, where, and how many of them are enough.",
  },
  MINUTEBOOK_COSIGN: {
    schema: z.string().min(1).optional(),
    about: "A file with lines `log <vkey>`: the logs of others whose checkpoints this instance cosigns; none when absent.",
  },
  MINUTEBOOK_COSIGNER_KEY: {
    schema: key32.optional(),
    about: "The Ed25519 seed that this instance cosigns with, never the log's own; made and kept under MINUTEBOOK_HOME when absent.",
    secret: true,
  },
  MINUTEBOOK_STATE_EVERY_S: {
    schema: z.coerce.number().int().min(0).max(31_536_000).default(3_600),
    about: "Every so many seconds the log commits to its own state: the heads of all streams, the rows of all projections. 0: never.",
  },
  MINUTEBOOK_METRICS_TOKEN: {
    schema: z.string().min(16, "has fewer than 16 characters").optional(),
    about: "Whoever reads /metrics shows this as a bearer token; without it, only this machine reads them.",
    secret: true,
  },
  MINUTEBOOK_PRODUCTION: {
    schema: z
      .enum(["true", "false"])
      .default("false")
      .transform((text) => text === "true"),
    about: "Refuses development keys and the development token issuer.",
  },
  MINUTEBOOK_LOG_LEVEL: {
    schema: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
    about: "How much is written to the log of the program.",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;
type Values = { readonly [N in SettingName]: z.output<(typeof settings)[N]["schema"]> };

export type Config = {
  readonly home: string;
  readonly port: number;
  readonly host: string;
  readonly publicOrigin: string | undefined;
  readonly logOrigin: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly eventStore: string;
  readonly roles: readonly ProcessRole[];
  /** One, or several with commas between. */
  readonly signingKey: string | undefined;
  readonly recoveryVkey: string | undefined;
  readonly masterKey: string | undefined;
  readonly instanceKey: string | undefined;
  /** Comes with a secret always. */
  readonly markovUrl: string | undefined;
  readonly markovSecret: string | undefined;
  readonly markovToken: string | undefined;
  readonly webhookAllow: readonly string[];
  readonly mediaBucket: { readonly url: string; readonly region: string; readonly keyId: string; readonly secret: string } | undefined;
  /** Files: a policy, and a list of logs. */
  readonly cosigners: string | undefined;
  readonly cosign: string | undefined;
  readonly cosignerKey: string | undefined;
  readonly stateEveryMs: number;
  readonly metricsToken: string | undefined;
  readonly production: boolean;
  readonly logLevel: string;
};

/** Where a setting's value came from, for `minutebook config`. */
export type Sourced = {
  readonly name: SettingName;
  readonly value: unknown;
  readonly from: "default" | "environment" | `file ${string}`;
  readonly secret: boolean;
  readonly about: string;
};

/** Reads and checks every setting at once; throws `BadConfiguration` that names each wrong one. */
export function readConfig(env: NodeJS.ProcessEnv): { readonly config: Config; readonly sources: readonly Sourced[] } {
  const faults: string[] = [];
  for (const name of Object.keys(env)) {
    if (name.startsWith("MINUTEBOOK_") && !name.startsWith("MINUTEBOOK_TEST_") && !Object.hasOwn(settings, name.replace(/_FILE$/, "")))
      faults.push(`${name} is not a setting`);
  }
  const sources = Object.entries<Setting>(settings).map(([name, { schema, secret, about }]): Sourced => {
    const { raw, from } = rawOf(env, name, faults);
    const read = schema.safeParse(raw);
    if (!read.success) faults.push(`${name} ${read.error.issues[0]!.message}`);
    return { name: name as SettingName, value: read.data, from, secret: secret ?? false, about };
  });
  if (faults.length > 0) throw new BadConfiguration(faults.join("\n"));
  const values = Object.fromEntries(sources.map(({ name, value }) => [name, value])) as Values;
  const config = configOf(values);
  if (config.markovUrl !== undefined && config.markovSecret === undefined)
    throw new BadConfiguration("MINUTEBOOK_MARKOV_URL needs MINUTEBOOK_MARKOV_SECRET: what Markov is told is signed");
  if (config.production) refuseWeakMarkov(config);
  if (values.MINUTEBOOK_MEDIA_URL !== undefined && config.mediaBucket === undefined)
    throw new BadConfiguration("MINUTEBOOK_MEDIA_URL needs MINUTEBOOK_MEDIA_KEY_ID and MINUTEBOOK_MEDIA_SECRET");
  return { config, sources };
}

/** In production what is told to Markov goes over TLS, signed with a secret that nobody can guess. */
function refuseWeakMarkov({ markovUrl, markovSecret, markovToken }: Config): void {
  const faults = [
    ...(markovUrl?.startsWith("http:") ? ["MINUTEBOOK_MARKOV_URL must have https in production"] : []),
    ...(isWeak(markovSecret, 32) ? ["MINUTEBOOK_MARKOV_SECRET is weak: draw one with `openssl rand -hex 32`"] : []),
    ...(isWeak(markovToken, 16) ? ["MINUTEBOOK_MARKOV_TOKEN is weak, or a placeholder"] : []),
  ];
  if (faults.length > 0) throw new BadConfiguration(faults.join("\n"));
}

const distinctMin = 10;
const placeholders = /secret|password|change.?me|default|example|placeholder|test|dummy|0123456789|abcdefghij/i;
const isWeak = (text: string | undefined, lengthMin: number) =>
  text !== undefined && (text.length < lengthMin || new Set(text).size < distinctMin || placeholders.test(text));

function rawOf(env: NodeJS.ProcessEnv, name: string, faults: string[]): { raw: string | undefined; from: Sourced["from"] } {
  const file = env[`${name}_FILE`];
  // An empty variable is how many supervisors say "not set".
  if (env[name] !== undefined && env[name] !== "") {
    if (file) faults.push(`${name} and ${name}_FILE are both set`);
    return { raw: env[name], from: "environment" };
  }
  if (!file) return { raw: undefined, from: "default" };
  try {
    return { raw: readFileSync(file, "utf8").trim(), from: `file ${file}` };
  } catch (error) {
    faults.push(`${name}_FILE: ${(error as Error).message}`);
    return { raw: undefined, from: `file ${file}` };
  }
}

function bucketOf(values: Values): Config["mediaBucket"] {
  const {
    MINUTEBOOK_MEDIA_URL: url,
    MINUTEBOOK_MEDIA_REGION: region,
    MINUTEBOOK_MEDIA_KEY_ID: keyId,
    MINUTEBOOK_MEDIA_SECRET: secret,
  } = values;
  return url !== undefined && keyId !== undefined && secret !== undefined
    ? { url: url.replace(/\/$/, ""), region, keyId, secret }
    : undefined;
}

const configOf = (values: Values): Config => ({
  home: resolve(values.MINUTEBOOK_HOME),
  port: values.MINUTEBOOK_PORT,
  host: values.MINUTEBOOK_HOST,
  publicOrigin: values.MINUTEBOOK_PUBLIC_ORIGIN,
  logOrigin: values.MINUTEBOOK_LOG_ORIGIN,
  databaseUrl: values.MINUTEBOOK_DATABASE_URL,
  eventStore: values.MINUTEBOOK_EVENT_STORE,
  roles: values.MINUTEBOOK_ROLES,
  signingKey: values.MINUTEBOOK_SIGNING_KEY,
  recoveryVkey: values.MINUTEBOOK_RECOVERY_VKEY,
  masterKey: values.MINUTEBOOK_MASTER_KEY,
  instanceKey: values.MINUTEBOOK_INSTANCE_KEY,
  markovUrl: values.MINUTEBOOK_MARKOV_URL,
  markovSecret: values.MINUTEBOOK_MARKOV_SECRET,
  markovToken: values.MINUTEBOOK_MARKOV_TOKEN,
  webhookAllow: values.MINUTEBOOK_WEBHOOK_ALLOW,
  mediaBucket: bucketOf(values),
  cosigners: values.MINUTEBOOK_COSIGNERS,
  cosign: values.MINUTEBOOK_COSIGN,
  cosignerKey: values.MINUTEBOOK_COSIGNER_KEY,
  stateEveryMs: 1_000 * values.MINUTEBOOK_STATE_EVERY_S,
  metricsToken: values.MINUTEBOOK_METRICS_TOKEN,
  production: values.MINUTEBOOK_PRODUCTION,
  logLevel: values.MINUTEBOOK_LOG_LEVEL,
});
