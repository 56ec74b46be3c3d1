/** Whose word on a log is enough (C2SP tlog-policy): which logs, which cosigners, and how many of them. */
import { Malformed } from "../canonical-json.ts";
import { hex } from "../hash.ts";
import { formatVkey, parseVkey, type VerificationKey, type VerifyEd25519 } from "../note.ts";
import { cosignaturesOf, parseCosignerKey, type Cosignature } from "./cosignature.ts";

/** `name` is what the policy calls it; the key has the name that its signatures carry. `url` is where it takes checkpoints. */
export type Cosigner = { readonly name: string; readonly vkey: string; readonly key: VerificationKey; readonly url?: string };

type Group = { readonly atLeast: number; readonly members: readonly string[] };

export type Policy = {
  readonly logs: readonly VerificationKey[];
  readonly cosigners: readonly Cosigner[];
  readonly groups: ReadonlyMap<string, Group>;
  /** The name of a cosigner or a group; undefined where nobody's word is asked for. */
  readonly quorum: string | undefined;
};

const linesMax = 1_000;

/** Throws `Malformed` that names the line. */
export function parsePolicy(text: string): Policy {
  const reading = new Reading();
  const lines = text.split("\n");
  if (lines.length > linesMax) throw new Malformed(`a policy has at most ${linesMax} lines`);
  for (const [at, line] of lines.entries()) {
    try {
      reading.take(line);
    } catch (fault) {
      if (!(fault instanceof Malformed)) throw fault;
      throw new Malformed(`line ${at + 1}: ${fault.message}`);
    }
  }
  return reading.end();
}

class Reading {
  private readonly logs: VerificationKey[] = [];
  private readonly cosigners: Cosigner[] = [];
  private readonly groups = new Map<string, Group>();
  private readonly keys = new Set<string>();
  private readonly used = new Set<string>();
  /** A box, for `none` is a quorum too. */
  private quorum: { readonly name: string | undefined } | undefined;

  take(line: string): void {
    // Controls other than the tab are refused: what a reader sees is what is meant.
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) throw new Malformed("a control character");
    const [word, ...rest] = line.trim().split(/[ \t]+/);
    if (word === "" || word!.startsWith("#")) return;
    const reader = Object.hasOwn(this.readers, word!) ? this.readers[word!] : undefined;
    if (!reader) throw new Malformed(`${word} is no word of a policy`);
    reader(rest);
  }

  private readonly readers: Readonly<Record<string, (words: readonly string[]) => void>> = {
    log: ([vkey, ...more]) => {
      if (vkey === undefined || more.length > 1) throw new Malformed("`log` takes a key, and a url if it likes");
      const key = parseVkey(vkey);
      this.addKey(key);
      this.logs.push(key);
    },
    witness: ([name, vkey, url, ...more]) => {
      if (name === undefined || vkey === undefined || more.length > 0)
        throw new Malformed("`witness` takes a name, a key, and a url if it likes");
      this.assertNew(name);
      if (url !== undefined && !/^https?:\/\/[^\s?#]+$/.test(url)) throw new Malformed("not the url of a cosigner");
      const key = parseCosignerKey(vkey);
      this.addKey(key);
      this.cosigners.push({ name, vkey, key, ...(url !== undefined && { url: url.replace(/\/$/, "") }) });
    },
    group: ([name, threshold, ...members]) => {
      if (name === undefined || members.length === 0) throw new Malformed("`group` takes a name, how many, and its members");
      this.assertNew(name);
      for (const member of members) {
        this.assertKnown(member);
        if (this.used.has(member)) throw new Malformed(`${member} is a member twice`);
        this.used.add(member);
      }
      const atLeast =
        threshold === "all" ? members.length : threshold === "any" ? 1 : /^[1-9]\d{0,3}$/.test(threshold!) ? Number(threshold) : 0;
      if (atLeast < 1 || atLeast > members.length) throw new Malformed(`${threshold} of ${members.length} members cannot be asked for`);
      this.groups.set(name, { atLeast, members });
    },
    quorum: ([name, ...more]) => {
      if (name === undefined || more.length > 0) throw new Malformed("`quorum` takes one name");
      if (this.quorum) throw new Malformed("a second quorum");
      if (name !== "none") this.assertKnown(name);
      this.quorum = { name: name === "none" ? undefined : name };
    },
  };

  end(): Policy {
    if (!this.quorum) throw new Malformed("no line `quorum`");
    return { logs: this.logs, cosigners: this.cosigners, groups: this.groups, quorum: this.quorum.name };
  }

  private isKnown(name: string): boolean {
    return this.groups.has(name) || this.cosigners.some((cosigner) => cosigner.name === name);
  }

  private assertNew(name: string): void {
    if (name === "none" || this.isKnown(name)) throw new Malformed(`the name ${name} is taken`);
  }

  private assertKnown(name: string): void {
    if (!this.isKnown(name)) throw new Malformed(`${name} was not named before`);
  }

  /** The same key under two names would count twice. */
  private addKey({ publicKey }: VerificationKey): void {
    if (this.keys.has(hex(publicKey))) throw new Malformed("a key that stands there already");
    this.keys.add(hex(publicKey));
  }
}

/** The policy in writing again, without its comments. */
export function formatPolicy({ logs, cosigners, groups, quorum }: Policy): string {
  const lines = [
    ...logs.map(({ name, publicKey }) => `log ${formatVkey(name, publicKey)}`),
    ...cosigners.map(({ name, vkey, url }) => `witness ${name} ${vkey}${url === undefined ? "" : ` ${url}`}`),
    ...[...groups].map(([name, { atLeast, members }]) => `group ${name} ${atLeast} ${members.join(" ")}`),
    `quorum ${quorum ?? "none"}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Asks for nobody's word: what holds where no policy is given. */
export const nobody: Policy = { logs: [], cosigners: [], groups: new Map(), quorum: undefined };

/** Whether the word of these cosigners, by their names in the policy, is enough. */
export function isQuorum({ groups, quorum }: Policy, cosigned: ReadonlySet<string>): boolean {
  const counts = (name: string): boolean => {
    const group = groups.get(name);
    return group ? group.members.filter(counts).length >= group.atLeast : cosigned.has(name);
  };
  return quorum === undefined || counts(quorum);
}

/** What a checkpoint's cosignatures amount to under a policy. */
export type Standing = {
  readonly cosigned: readonly (Cosignature & { readonly policyName: string })[];
  /** How many cosigners the policy names. */
  readonly of: number;
  readonly isQuorum: boolean;
};

/** Throws `Malformed` where a cosigner's line is false. That its log signed it is checked elsewhere. */
export async function standingOf(note: string, policy: Policy, verify: VerifyEd25519): Promise<Standing> {
  const cosigned: (Cosignature & { policyName: string })[] = [];
  for (const { name, key } of policy.cosigners)
    for (const word of await cosignaturesOf(note, [key], verify)) cosigned.push({ ...word, policyName: name });
  return { cosigned, of: policy.cosigners.length, isQuorum: isQuorum(policy, new Set(cosigned.map(({ policyName }) => policyName))) };
}

/** For verifiers, which are handed what they ask. */
export const cosignersIn =
  (policy: Policy, verify: VerifyEd25519) =>
  (note: string): Promise<Standing> =>
    standingOf(note, policy, verify);

/** The words that every verifier uses; without a standing nobody was asked. */
export function standingInWords({ cosigned, of, isQuorum }: Standing = { cosigned: [], of: 0, isQuorum: true }): string {
  if (cosigned.length > 0 && isQuorum) return `cosigned by ${cosigned.length} of ${of}`;
  if (of === 0) return "log-signed only: no cosigner's key was given";
  return `log-signed only: cosigned by ${cosigned.length} of ${of}${isQuorum ? "" : ", below the quorum"}`;
}
