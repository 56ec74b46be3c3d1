/** A consultation as Polis exports it, told as commands: each voter a member, each statement a proposal, each vote a ballot or its revision. */
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { hex, sha256 } from "../../domain/log/hash.ts";
import { Handle, Slug, Timestamp } from "../../event-schemas/values.ts";
import { BadInput, readCsv } from "./csv.ts";

export type Statement = { readonly id: string; readonly title: string; readonly body: string; readonly line: number };

export type Vote = {
  readonly statement: string;
  readonly voter: string;
  readonly choice: "agree" | "disagree" | "pass";
  /** When it was given, as its source says. */
  readonly at: string;
  /** How many votes of this voter on this statement at this very moment stand before it in the file. */
  readonly nth: number;
  readonly line: number;
};

export type Consultation = {
  /** What the source is called, from the directory's name. */
  readonly system: string;
  readonly statements: readonly Statement[];
  /** In the order in which they first voted. */
  readonly voters: readonly string[];
  /** In order of time; those of one moment in the file's order. */
  readonly votes: readonly Vote[];
};

export const commentsFile = "comments.csv";
export const votesFile = "votes.csv";

const choices = { "1": "agree", "-1": "disagree", "0": "pass" } as const;
const titleMax = 200;
const bodyMax = 10_000;

/** Reads and checks all of it before anything is asked: throws `BadInput`, naming file and line. */
export async function readConsultation(directory: string): Promise<Consultation> {
  const system = slugOf(directory);
  const statements = statementsOf(await readText(directory, commentsFile));
  const votes = votesOf(await readText(directory, votesFile), new Set(statements.map(({ id }) => id)));
  return { system, statements, votes, voters: [...new Set(votes.map(({ voter }) => voter))] };
}

export function slugOf(directory: string): string {
  const slug = basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 63);
  if (!Slug.safeParse(slug).success) throw new BadInput(directory, 1, "the directory's name holds no letter to name the source by");
  return slug;
}

async function readText(directory: string, file: string): Promise<string> {
  const bytes = await readFile(join(directory, file)).catch((error: NodeJS.ErrnoException) => {
    throw new BadInput(join(directory, file), 1, error.code === "ENOENT" ? "there is no such file" : error.message);
  });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new BadInput(file, 1, "the file is not UTF-8");
  }
}

export function statementsOf(text: string): readonly Statement[] {
  const rows = readCsv(commentsFile, text, ["comment-id", "comment-body"]);
  const known = new Map<string, number>();
  return rows.map(({ line, "comment-id": id, "comment-body": body }) => {
    const before = known.get(id);
    if (before !== undefined) throw new BadInput(commentsFile, line, `the comment ${id} stands on line ${before} already`);
    known.set(id, line);
    if (!/^[\x21-\x7e]{1,200}$/.test(id))
      throw new BadInput(commentsFile, line, `"${id}" is no comment-id: 1 to 200 visible ASCII characters`);
    if (body.includes("\0") || [...body].length > bodyMax)
      throw new BadInput(commentsFile, line, `a statement is a text of at most ${bodyMax.toLocaleString("en")} characters`);
    return { id, line, body, title: titleOf(body) ?? `Statement ${id}` };
  });
}

/** The first line that says something, cut at the end of a word where it is longer than a title may be. */
function titleOf(body: string): string | undefined {
  const [first] = body.split(/\r?\n/).flatMap((line) => line.trim().replace(/\s+/g, " ") || []);
  if (first === undefined) return undefined;
  const characters = [...first.normalize("NFC")];
  if (characters.length <= titleMax) return characters.join("");
  const cut = characters.slice(0, titleMax - 1).join("");
  const words = cut.replace(/\s+\S*$/, "");
  return `${words.length > cut.length / 2 ? words : cut}…`;
}

export function votesOf(text: string, statements: ReadonlySet<string>): readonly Vote[] {
  const nth = new Map<string, number>();
  const votes = readCsv(votesFile, text, ["timestamp", "comment-id", "voter-id", "vote"]).map((row) => {
    const { line, "comment-id": statement, "voter-id": voter } = row;
    if (!statements.has(statement)) throw new BadInput(votesFile, line, `there is no comment ${statement || "without an id"}`);
    if (voter === "") throw new BadInput(votesFile, line, "the voter-id is empty");
    if (!Object.hasOwn(choices, row.vote)) throw new BadInput(votesFile, line, `"${row.vote}" is no vote: 1 agree, -1 disagree, 0 pass`);
    const at = momentOf(row.timestamp);
    if (at === undefined) throw new BadInput(votesFile, line, `"${row.timestamp}" is no timestamp in milliseconds`);
    const same = JSON.stringify([statement, voter, at]);
    nth.set(same, (nth.get(same) ?? -1) + 1);
    return { statement, voter, choice: choices[row.vote as keyof typeof choices], at, nth: nth.get(same)!, line };
  });
  return votes.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

function momentOf(text: string): string | undefined {
  const moment = /^(0|[1-9]\d{0,14})$/.test(text) ? new Date(Number(text)) : undefined;
  const at = moment && !Number.isNaN(moment.getTime()) ? moment.toISOString() : undefined;
  return Timestamp.safeParse(at).success ? at : undefined;
}

/** A public name that tells where the voter comes from; of those whose number is no name, a few digits of its hash. */
export function handleOf(system: string, voter: string): string {
  const plain = `${system}-${voter}`;
  return Handle.safeParse(plain).success ? plain : `${system.slice(0, 25)}-${hex(sha256(voter)).slice(0, 24)}`;
}
