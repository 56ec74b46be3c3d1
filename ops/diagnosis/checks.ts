/** What `doctor` looks at, and what it says of it. The looking itself is handed in, so that each check can be made to fail. */

export type Verdict = {
  readonly status: "ok" | "warn" | "fail";
  readonly what: string;
  /** What to do about it. */
  readonly todo?: string;
};
export type Diagnosed = Verdict & { readonly check: string };

/** What is found in the world. `undefined` from the questions to an instance: none runs on this home. */
export type Probes = {
  readonly node: () => string;
  readonly npm: () => Promise<string | undefined>;
  readonly freeBytes: () => Promise<number>;
  readonly memoryBytes: () => { readonly total: number; readonly available: number };
  readonly openFilesMax: () => Promise<number | undefined>;
  /** Who listens on the configured port. */
  readonly port: () => Promise<{ readonly port: number; readonly holder: "nobody" | "this instance" | "another program" }>;
  readonly locale: () => string;
  readonly timeZone: () => string;
  /** `owner` is undefined while there is no home yet. */
  readonly user: () => { readonly uid: number | undefined; readonly owner: number | undefined };
  /** The release of the embedded Postgres; undefined where another server is configured. Throws where it is missing. */
  readonly postgres: () => Promise<string | undefined>;
  readonly fsyncMs: () => Promise<number>;
  readonly keys: () => readonly Key[];
  readonly isTampered: () => boolean;
  readonly database: () => Promise<DatabaseFindings | undefined>;
  readonly eventStore: () => Promise<{ readonly entries: number } | undefined>;
  readonly projections: () => Promise<readonly ProjectionFindings[] | undefined>;
  /** What the signer says of itself; undefined before it has run. */
  readonly signer: () => { readonly status: "signing" | "standby" | "waiting" | "refused"; readonly reason?: string } | undefined;
  /** How many entries the newest checkpoint covers, and how many there were a moment before it was asked for. */
  readonly checkpoint: () => Promise<{ readonly size: number; readonly entries: number } | undefined>;
  /** Where the bytes of evidence lie. Throws where nothing can be kept there. */
  readonly evidence: () => Promise<string>;
  readonly webhooks: () => Promise<WebhookFindings | undefined>;
  readonly cosigners: () => Promise<CosignerFindings | undefined>;
  /** The logs of others that this instance cosigns, and those among them for which it has to be asked what is to be done. */
  readonly cosigning: () => Promise<{ readonly logs: number; readonly refused: readonly string[] } | undefined>;
};

export type Key = {
  readonly name: string;
  /** `drawn`: kept in a file of the home. */
  readonly from: "configured" | "drawn" | "missing";
  /** Of the file: anything but 0600 lets others read it. */
  readonly mode?: number;
};
export type DatabaseFindings = {
  /** Why what it acknowledged may be lost. */
  readonly unsafe?: string;
  readonly skewMs: number;
  readonly missingMigrations: readonly string[];
  readonly unknownMigrations: readonly string[];
};
export type WebhookFindings = {
  readonly webhooks: number;
  /** Entries that are not fanned out yet. */
  readonly behind: number;
  readonly dead: number;
  /** Circuits that are open, and lanes that stopped. */
  readonly open: number;
  readonly stopped: number;
  /** How old the oldest active secret is. */
  readonly secretDays: number;
};
/** What those who are asked to cosign say of the newest checkpoint. */
export type CosignerFindings = {
  readonly words: string;
  readonly isQuorum: boolean;
  readonly each: readonly { readonly name: string; /** Why it cannot be asked. */ readonly away?: string; readonly ageSeconds?: number }[];
};
export type ProjectionFindings = {
  readonly name: string;
  readonly behind: number;
  readonly stopped?: string;
};

const gib = 1024 ** 3;
const inGib = (bytes: number) => `${(bytes / gib).toFixed(1)} GiB`;
const ok = (what: string): Verdict => ({ status: "ok", what });
const warn = (what: string, todo: string): Verdict => ({ status: "warn", what, todo });
const fail = (what: string, todo: string): Verdict => ({ status: "fail", what, todo });
const notRunning = ok("not asked: the instance does not run");
const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

type Check = { readonly look: (probes: Probes) => Verdict | Promise<Verdict>; /** When looking itself fails. */ readonly todo: string };

/** A cosigner is asked for a fresh word every five minutes. */
const wordAgeMaxSeconds = 900;
const secretsDays = { due: 90, late: 97 };

/** Each by its name. What fails keeps the instance from running, or from being trusted. */
export const checks: Readonly<Record<string, Check>> = {
  node: {
    todo: "start it through npx minutebook, which brings its own Node",
    look: ({ node }) =>
      Number(node().split(".")[0]) >= 24
        ? ok(node())
        : fail(`${node()} is too old`, "start it through npx minutebook, which brings Node 24"),
  },
  npm: {
    todo: "install npm 10 or later",
    look: async ({ npm }) => {
      const version = await npm();
      if (version === undefined) return warn("npm is not found", "install npm 10 or later, to install and update packages");
      return Number(version.split(".")[0]) >= 10 ? ok(version) : warn(`${version} is older than 10`, "npm install -g npm");
    },
  },
  disk: {
    todo: "see that MINUTEBOOK_HOME lies on a disk that can be read",
    look: async ({ freeBytes }) => {
      const free = await freeBytes();
      if (free < gib / 4) return fail(`${inGib(free)} left for the data`, "free some space, or move MINUTEBOOK_HOME to a larger disk");
      return free < 2 * gib
        ? warn(`${inGib(free)} left for the data`, "free some space before it runs out")
        : ok(`${inGib(free)} left for the data`);
    },
  },
  memory: {
    todo: "see what the system says of its memory",
    look: ({ memoryBytes }) => {
      const { total, available } = memoryBytes();
      const what = `${inGib(available)} of ${inGib(total)} available`;
      if (available < gib / 8) return fail(what, "close other programs: Postgres and Node need about 0.5 GiB");
      return available < gib / 2 ? warn(what, "close other programs, or give the machine more") : ok(what);
    },
  },
  "open files": {
    todo: "see ulimit -n",
    look: async ({ openFilesMax }) => {
      const most = await openFilesMax();
      if (most === undefined) return ok("no limit is told here");
      if (most < 256) return fail(`at most ${most}`, "ulimit -n 4096");
      return most < 1_024
        ? warn(`at most ${most}`, "ulimit -n 4096, for many connections at once")
        : ok(`at most ${most.toLocaleString("en")}`);
    },
  },
  port: {
    todo: "choose another with MINUTEBOOK_PORT",
    look: async (probes) => {
      const { port, holder } = await probes.port();
      if (holder === "another program")
        return warn(`${port} is taken by another program`, "none needed: the next free port is used; MINUTEBOOK_PORT chooses one");
      return ok(holder === "nobody" ? `${port} is free` : `${port} is held by this instance`);
    },
  },
  locale: {
    todo: "export LC_ALL=C.UTF-8",
    look: ({ locale }) => {
      const set = locale();
      if (set === "" || /utf-?8/i.test(set)) return ok(set || "none set");
      return warn(`${set} is not UTF-8: the terminal may garble names`, "export LC_ALL=C.UTF-8");
    },
  },
  "time zone": {
    todo: "set TZ to a zone that the system knows",
    look: ({ timeZone }) => {
      const zone = timeZone();
      const isKnown = zone === "UTC" || Intl.supportedValuesOf("timeZone").includes(zone) || /^(Etc\/|GMT)/.test(zone);
      return isKnown
        ? ok(`${zone}; everything is recorded in UTC`)
        : warn(`"${zone}" is not known`, "set TZ to a zone such as UTC; what is recorded is in UTC anyway");
    },
  },
  user: {
    todo: "see who owns MINUTEBOOK_HOME",
    look: ({ user }) => {
      const { uid, owner } = user();
      if (uid !== undefined && uid !== 0 && owner !== undefined && owner !== uid)
        return fail(
          `uid ${uid}, but the data belong to uid ${owner}`,
          "run it as the user who owns MINUTEBOOK_HOME, or give that user the files",
        );
      return uid === 0
        ? warn("root: Postgres runs as somebody else, for it refuses root", "in production, run it as a user of its own")
        : ok(uid === undefined ? "this user" : `uid ${uid}`);
    },
  },
  postgres: {
    todo: "npm ci, or name a server of your own in MINUTEBOOK_DATABASE_URL",
    look: async ({ postgres }) => {
      const release = await postgres();
      return ok(release === undefined ? "a server of its own, by MINUTEBOOK_DATABASE_URL" : `embedded ${release}`);
    },
  },
  fsync: {
    todo: "see that MINUTEBOOK_HOME may be written to",
    look: async ({ fsyncMs }) => {
      const ms = await fsyncMs();
      const what = `${ms.toFixed(1)} ms to write for good`;
      if (ms > 100) return warn(what, "move MINUTEBOOK_HOME to a faster disk: each commit waits that long");
      return ms < 0.02 ? warn(`${what}: this disk hardly waits`, "make sure that it survives a power cut; a RAM disk does not") : ok(what);
    },
  },
  keys: {
    todo: "see the files in MINUTEBOOK_HOME/keys",
    look: ({ keys }) => {
      const found = keys();
      const open = found.filter(({ mode }) => mode !== undefined && (mode & 0o077) !== 0).map(({ name }) => name);
      if (open.length > 0) return fail(`others may read ${open.join(", ")}`, "chmod 600 the files in MINUTEBOOK_HOME/keys");
      const missing = found.filter(({ from }) => from === "missing").map(({ name }) => name);
      if (missing.length === found.length) return ok("none yet: drawn at the first start");
      if (missing.length > 0)
        return fail(`${missing.join(", ")} is missing`, "put the keys back from a backup: without them the data cannot be opened");
      return ok(found.map(({ name, from }) => `${name} ${from}`).join(", "));
    },
  },
  "development tampering": {
    todo: "see MINUTEBOOK_HOME",
    look: ({ isTampered }) =>
      isTampered()
        ? fail("a stored entry was changed by dev tamper", "npx minutebook dev untamper")
        : ok("no entry was changed by dev tamper"),
  },
  database: {
    todo: "start it with npm start, and see postgres.log in MINUTEBOOK_HOME",
    look: async ({ database }) => ((await database()) ? ok("answers") : notRunning),
  },
  durability: {
    todo: "mend the database first",
    look: async ({ database }) => {
      const found = await database();
      if (!found) return notRunning;
      return found.unsafe === undefined
        ? ok("fsync and synchronous_commit are on")
        : fail(found.unsafe, "turn them on; the instance refuses to start otherwise");
    },
  },
  clock: {
    todo: "mend the database first",
    look: async ({ database }) => {
      const found = await database();
      if (!found) return notRunning;
      const what = `${Math.abs(found.skewMs)} ms ${found.skewMs < 0 ? "behind" : "ahead of"} the database's`;
      if (found.skewMs > 2_000) return fail(what, "set the clock (NTP): entries would be dated in the future");
      return Math.abs(found.skewMs) > 500 ? warn(what, "set the clock (NTP)") : ok(what);
    },
  },
  migrations: {
    todo: "mend the database first",
    look: async ({ database }) => {
      const found = await database();
      if (!found) return notRunning;
      if (found.unknownMigrations.length > 0)
        return fail(
          `the database has ${found.unknownMigrations.join(", ")}, which this release does not know`,
          "start the newer release that wrote it",
        );
      if (found.missingMigrations.length > 0)
        return warn(`missing: ${found.missingMigrations.join(", ")}`, "restart the instance: it brings the tables forward");
      return ok("all applied");
    },
  },
  "event store": {
    todo: "see that the server in MINUTEBOOK_EVENT_STORE runs and can be reached",
    look: async ({ eventStore }) => {
      const found = await eventStore();
      return found ? ok(`answers, ${found.entries.toLocaleString("en")} entries`) : notRunning;
    },
  },
  projections: {
    todo: "mend the database first",
    look: async ({ projections }) => {
      const found = await projections();
      if (!found) return notRunning;
      const stopped = found.filter(({ stopped }) => stopped !== undefined);
      if (stopped.length > 0)
        return fail(
          stopped.map(({ name, stopped: why }) => `${name} stopped: ${why}`).join("; "),
          "mend what it names, then npx minutebook rebuild NAME",
        );
      const slow = found.filter(({ behind }) => behind > 1_000);
      if (slow.length > 0)
        return warn(
          slow.map(({ name, behind }) => `${name} is ${behind} entries behind`).join("; "),
          "wait; if it does not catch up, see the log of the program",
        );
      return ok(`${found.length} follow the log`);
    },
  },
  signer: {
    todo: "see signer/status.json in MINUTEBOOK_HOME",
    look: ({ signer }) => {
      const found = signer();
      if (!found) return ok("has not run yet");
      const what = found.reason === undefined ? found.status : `${found.status}: ${found.reason}`;
      if (found.status === "refused") return fail(what, "compare the log with a checkpoint that is kept elsewhere before anything else");
      return found.status === "waiting" ? warn(what, "mend the database first; the signer goes on by itself") : ok(what);
    },
  },
  checkpoint: {
    todo: "see the log of the program: the signer says why it does not sign",
    look: async ({ checkpoint }) => {
      const found = await checkpoint();
      if (!found) return notRunning;
      if (found.size < found.entries)
        return fail(
          `the last signed checkpoint covers ${found.size} of ${found.entries} entries`,
          "see the log of the program: the signer says why it does not sign",
        );
      return ok(`the last signed checkpoint covers all ${found.size.toLocaleString("en")} entries`);
    },
  },
  evidence: {
    todo: "see that MINUTEBOOK_HOME/media may be written to, or that the bucket in MINUTEBOOK_MEDIA_URL answers",
    look: async ({ evidence }) => ok(await evidence()),
  },
  webhooks: {
    todo: "mend the database first",
    look: async ({ webhooks }) => {
      const found = await webhooks();
      if (!found) return notRunning;
      const { behind, dead, open, stopped, secretDays } = found;
      if (stopped > 0)
        return fail(
          `${stopped} lanes stopped: bodies came out differently than they were told`,
          "go back to the release that told them first",
        );
      if (behind > 1_000) return fail(`${behind} entries are not told of yet`, "start a process with the role deliverer, and see its log");
      if (secretDays >= secretsDays.late)
        return fail(`a secret is ${secretDays} days old`, "stage a new one and activate it: 90 days are the most");
      if (open > 0) return warn(`${open} circuits are open: deliveries wait`, "see /deliveries, and ask the receivers");
      if (dead > 0) return warn(`${dead} deliveries were given up`, "see /deliveries; redrive-deliveries puts them back");
      if (secretDays >= secretsDays.due) return warn(`a secret is ${secretDays} days old`, "stage a new one and activate it");
      return ok(found.webhooks === 0 ? "none" : `${found.webhooks}, none of them in trouble`);
    },
  },
  cosigners: {
    todo: "see the file in MINUTEBOOK_COSIGNERS, and mend the database first",
    look: async ({ cosigners }) => {
      const found = await cosigners();
      if (!found) return notRunning;
      const { words, isQuorum, each } = found;
      const away = each.flatMap(({ name, away }) => (away === undefined ? [] : [`${name}: ${away}`]));
      const late = each.flatMap(({ name, ageSeconds }) => (ageSeconds !== undefined && ageSeconds <= wordAgeMaxSeconds ? [] : [name]));
      const what = [words, ...away].join("; ");
      if (!isQuorum) return fail(what, "see the log of the program, which has a line of each cosigner, and ask those who run them");
      if (away.length > 0) return warn(what, "ask those who run them; the quorum holds without");
      return late.length > 0
        ? warn(`${words}; no word for over ${wordAgeMaxSeconds / 60} minutes from ${late.join(", ")}`, "see the log of the program")
        : ok(each.length === 0 ? "none are asked" : words);
    },
  },
  cosigning: {
    todo: "see the file in MINUTEBOOK_COSIGN",
    look: async ({ cosigning }) => {
      const found = await cosigning();
      if (!found) return notRunning;
      if (found.refused.length > 0)
        return fail(
          `${found.refused.join(", ")}: not cosigned until somebody has looked`,
          "see the log of the program: the record of what was cosigned is lost, lies in another home, or contradicts the database",
        );
      return ok(found.logs === 0 ? "no other log" : `${found.logs} other ${found.logs === 1 ? "log" : "logs"}`);
    },
  },
};

/** All checks, each for itself: one that cannot even look has failed. */
export const diagnose = (probes: Probes): Promise<readonly Diagnosed[]> =>
  Promise.all(
    Object.entries(checks).map(async ([check, { look, todo }]): Promise<Diagnosed> => {
      try {
        return { check, ...(await look(probes)) };
      } catch (error) {
        return { check, ...fail(reason(error), todo) };
      }
    }),
  );
