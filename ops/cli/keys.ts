import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { type Config, readConfig, type Sourced } from "../config.ts";
import { cosignerName, cosignerVkey } from "../cosigning/cosigner.ts";
import { keyCommands } from "../keys/key-commands.ts";
import { secretOf } from "../keys/secrets.ts";
import { signingKeysIn } from "../keys/signing-keys.ts";
import { readSignerStatus } from "../keys/signing-record.ts";
import { originKept } from "../verification/attached.ts";
import { knownKey } from "../verification/known-logs.ts";
import { dim, exits, print, printJson } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name !== undefined && Object.hasOwn(keyCommands, name)) return keyCommands[name]!(rest);
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean" } } });
  const { config, sources } = readConfig(process.env);
  const told = {
    origin: originKept(config.home) ?? config.logOrigin ?? null,
    vkey: vkeyOf(config) ?? null,
    cosignerVkey: cosignerVkeyOf(config) ?? null,
    keys: keysOf(config, sources),
    signer: signerOf(config),
  };
  if (values.json) printJson(told);
  else for (const line of inWords(told, config.home)) print(line);
  return exits.done;
}

type Key = {
  readonly name: string;
  readonly about: string;
  /** Where it lies; null while it was not drawn yet. */
  readonly lies: string | null;
  /** Drawn by the program itself, or of use in development alone. */
  readonly development: boolean;
};

/** The key that signs now, as the signer says, or the only one that lies here, or as it is remembered. Nothing is drawn. */
function vkeyOf(config: Config): string | undefined {
  const origin = originKept(config.home) ?? config.logOrigin;
  if (origin === undefined) return undefined;
  const [only, ...more] = signingKeysIn(config, origin);
  return readSignerStatus(config.home)?.vkey ?? (more.length === 0 ? only?.vkey : undefined) ?? knownKey(config.home, origin);
}

/** What others list this instance by as a cosigner; undefined until its key is there. Nothing is drawn. */
function cosignerVkeyOf({ home, cosignerKey, logOrigin }: Config): string | undefined {
  const origin = originKept(home) ?? logOrigin;
  if (origin === undefined || (cosignerKey === undefined && !existsSync(keyFile(home, "cosigner.key")))) return undefined;
  return cosignerVkey(cosignerName(origin), secretOf(home, "cosigner.key", cosignerKey).bytes);
}

const keyFile = (home: string, name: string) => join(home, "keys", name);

function keysOf(config: Config, sources: readonly Sourced[]): readonly Key[] {
  const { home, databaseUrl, cosign } = config;
  const kept = (name: string, file: string, about: string, setting?: Sourced["name"]): Key => {
    const source = sources.find((one) => one.name === setting);
    if (source && source.value !== undefined) {
      return { name, about, lies: source.from === "environment" ? `the variable ${source.name}` : source.from, development: false };
    }
    const path = keyFile(home, file);
    return { name, about, lies: existsSync(path) ? path : null, development: true };
  };
  const signingKeys = (): Key[] => {
    const about = "signs the log's checkpoints (Ed25519)";
    const origin = originKept(home) ?? config.logOrigin;
    const own = origin === undefined ? [] : signingKeysIn(config, origin);
    if (own.length < 2) return [kept("signing key", basename(own[0]?.lies ?? "signing.key"), about, "MINUTEBOOK_SIGNING_KEY")];
    const now = vkeyOf(config);
    return own.map(({ vkey, lies }) => ({
      name: vkey === now ? "signing key" : "another one",
      about: vkey === now ? about : `${vkey}: signs no more, or not yet`,
      lies,
      development: config.signingKey === undefined,
    }));
  };
  const database = databaseUrl === undefined ? "the embedded database" : "the database of MINUTEBOOK_DATABASE_URL";
  return [
    ...signingKeys(),
    kept("master key", "master.key", "wraps the instance key and every subject's key", "MINUTEBOOK_MASTER_KEY"),
    ...(cosign !== undefined || existsSync(keyFile(home, "cosigner.key"))
      ? [kept("cosigner key", "cosigner.key", "cosigns the logs of others (Ed25519)", "MINUTEBOOK_COSIGNER_KEY")]
      : []),
    kept("token key", "token.key", "signs the development issuer's tokens"),
    {
      name: "instance key",
      about: "names the guessable parts of streams",
      lies: originKept(home) === undefined ? null : `keys.instance in ${database}, wrapped by the master key`,
      development: false,
    },
    {
      name: "subject keys",
      about: "seal personal fields, one a subject; whose key is destroyed is forgotten",
      lies: `keys.subject_keys in ${database}, wrapped by the master key`,
      development: false,
    },
  ];
}

type Signer = {
  readonly record: string;
  readonly exists: boolean;
  readonly status: string;
  readonly reason?: string;
  readonly whenLost: readonly string[];
};

function signerOf({ home }: Config): Signer {
  const record = join(home, "signer", "record");
  const { status = "has not run here", reason } = readSignerStatus(home) ?? {};
  return { record, exists: existsSync(record), status, ...(reason !== undefined && { reason }), whenLost };
}

const whenLost = [
  "The record says what was signed last. It belongs in no backup: put back from one, it would let a second history be signed.",
  "If it is lost, nothing is signed any more, on purpose; the log goes on, and verify says how many entries wait for a signature.",
  "Get the newest checkpoint that somebody outside keeps: a mirror's, a bundle's, a receipt's.",
  "It must not be of more entries than the log has, and npx minutebook verify must end well on this log.",
  "If it is of more, or does not agree, the log was put back to an older state: it is never continued under its origin.",
  "Only when it agrees may a person write the record again, from that checkpoint and the tree of its size.",
];

type Told = {
  readonly origin: string | null;
  readonly vkey: string | null;
  readonly cosignerVkey: string | null;
  readonly keys: readonly Key[];
  readonly signer: Signer;
};

function inWords({ origin, vkey, cosignerVkey, keys, signer }: Told, home: string): string[] {
  const line = (what: string, text: string) => `  ${what.padEnd(14)}${text}`;
  return [
    line("log", origin ?? `none was opened in ${home} yet`),
    line("vkey", vkey ?? "not known here: the process that signs knows it, and /log/key serves it"),
    line("", dim("give it to whoever verifies: npx minutebook verify DIR --vkey KEY")),
    ...(cosignerVkey === null
      ? []
      : [line("as cosigner", cosignerVkey), line("", dim("give it to the logs that you cosign, for their policy: docs/cosigning.md"))]),
    "",
    ...keys.flatMap(({ name, about, lies, development }) => [
      line(name, `${lies ?? "not drawn yet"}${development ? "  (development: drawn here, never use it in production)" : ""}`),
      line("", dim(about)),
    ]),
    "",
    line("signer", `${signer.status}${signer.reason === undefined ? "" : `: ${signer.reason}`}`),
    line("its record", `${signer.record}${signer.exists ? "" : "  (not there)"}`),
    ...signer.whenLost.map((sentence) => line("", dim(sentence))),
  ];
}
