import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

export const loginRoles = ["minutebook_app", "minutebook_rows", "minutebook_auditor"] as const;
export type LoginRole = (typeof loginRoles)[number];

/** What must be known to open the cluster again: kept in `<home>/postgres.json`, mode 0600, for it holds the passwords. */
export type HomeState = {
  directory: string;
  runsAs: string;
  socketDirectory?: string;
  tcpPort?: number;
  /** Where a copy of the binaries lies, when the server's user cannot reach the checkout. */
  binariesIn?: string;
  passwords: Record<"postgres" | LoginRole, string>;
};

const fileName = (home: string) => join(home, "postgres.json");

export async function readHomeState(home: string): Promise<HomeState | undefined> {
  const text = await readFile(fileName(home), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as HomeState;
  } catch {
    throw new Error(`${fileName(home)} is not readable JSON. It holds the passwords of the embedded Postgres: put it back from a backup.`);
  }
}

/** Order: durable before it is seen under its name, so a crash leaves the old state or the new one. */
export async function writeHomeState(home: string, state: HomeState): Promise<void> {
  const unfinished = `${fileName(home)}.new`;
  const file = await open(unfinished, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, fileName(home));
  await syncFolder(home);
}

/** A new name in a folder is durable when the folder is; Windows cannot be asked for it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export function drawPasswords(): HomeState["passwords"] {
  const draw = () => randomBytes(24).toString("hex");
  return { postgres: draw(), minutebook_app: draw(), minutebook_rows: draw(), minutebook_auditor: draw() };
}
