/** Where an entry may stand: the stream chain, the commands, the ids, leaf 0 (§2, §3, §6, §7). */
import { uuidV5 } from "../hash.ts";
import type { Place } from "./examine.ts";
import { Names, SeenUuids, ownText } from "./seen.ts";

const urlNamespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

/** The last entry of a stream. `cmd` is its command's number, `nth` its place within its command from 1, undefined where that began before the bundle. */
type Head = { leaf: number; rev: number; hash: string; at: number; by: string; cmd: number; nth: number | undefined };

/** `first`: the entry begins its command, undefined where that cannot be told. */
export type Placing = { readonly fault?: string; readonly first: boolean | undefined };

export class Places {
  /** How many streams begin before the bundle: their first `prev` cannot be checked. */
  begunBefore = 0;
  private readonly log: string;
  private readonly isWhole: boolean;
  private readonly firstCommand: string;
  private readonly heads = new Map<string, Head>();
  private readonly commands = new SeenUuids();
  private readonly ids = new SeenUuids();
  private readonly actors = new Names();

  constructor(log: string, isWhole: boolean) {
    this.log = log;
    this.isWhole = isWhole;
    this.firstCommand = uuidV5(uuidV5(urlNamespace, `minutebook/command/v1\n${log}`), `system:genesis\nopen-log/${log}`);
  }

  /** The place of the entry at this leaf; `hash` is its entry hash as b64u. Whatever is wrong with it, the entries after it are compared with it. */
  take(entry: Place, leaf: number, hash: string): Placing {
    const head = this.heads.get(entry.stream);
    const commands = this.commands.size;
    const cmd = this.commands.numberOf(entry.cmd);
    const continues = head !== undefined && head.cmd === cmd;
    const isNewCommand = continues || cmd === commands;
    const nth = continues ? head.nth && head.nth + 1 : head !== undefined || entry.rev === 0 ? 1 : undefined;
    const fault =
      this.faultOfFirst(entry, leaf) ??
      this.faultOfChain(entry, head) ??
      (continues && head.by !== entry.by ? "another actor than in the entry before it of the same command" : undefined) ??
      (isNewCommand ? undefined : "its command stands elsewhere in the log already") ??
      this.faultOfId(entry, nth);
    this.remember(entry, head, {
      leaf,
      rev: entry.rev,
      hash,
      at: entry.at,
      by: head?.by === entry.by ? head.by : this.actors.one(entry.by),
      cmd,
      nth,
    });
    const first = continues ? false : nth === undefined ? undefined : true;
    return fault === undefined ? { first } : { fault, first };
  }

  private remember(entry: Place, head: Head | undefined, next: Head): void {
    if (!head) {
      this.heads.set(ownText(entry.stream), next);
      return;
    }
    head.leaf = next.leaf;
    head.rev = next.rev;
    head.hash = next.hash;
    head.at = next.at;
    head.by = next.by;
    head.cmd = next.cmd;
    head.nth = next.nth;
  }

  private faultOfFirst(entry: Place, leaf: number): string | undefined {
    if (leaf > 0) return entry.type === "LogOpened" ? "a second LogOpened" : undefined;
    if (entry.type !== "LogOpened") return "leaf 0 is not the LogOpened";
    if (entry.stream !== "log" || entry.rev !== 0) return "leaf 0 is not the first entry of the stream `log`";
    return entry.by === "system:genesis" && entry.cmd === this.firstCommand ? undefined : "leaf 0 is not by the command that opens the log";
  }

  private faultOfChain(entry: Place, head: Head | undefined): string | undefined {
    if (head) {
      if (entry.rev !== head.rev + 1) return `revision ${entry.rev} after revision ${head.rev} of its stream (leaf ${head.leaf})`;
      if (entry.prev !== head.hash) return `prev is not the hash of the entry before it in its stream (leaf ${head.leaf})`;
      return entry.at < head.at ? `recorded before the entry before it in its stream (leaf ${head.leaf})` : undefined;
    }
    if (entry.rev === 0) {
      return entry.isGenesis ? undefined : "prev is not the genesis hash of its stream";
    }
    if (this.isWhole) return `its stream begins at revision ${entry.rev}`;
    this.begunBefore++;
    return undefined;
  }

  private faultOfId(entry: Place, nth: number | undefined): string | undefined {
    const isDerived = nth === undefined || (nth === 1 ? entry.isFirst : entry.id === uuidV5(entry.cmd, `${entry.stream}\n${nth - 1}`));
    if (!isDerived) return "the id is not derived from its place";
    // Derived ids differ because their places do; only ids that could not be derived again must be compared one by one.
    const ids = this.ids.size;
    if (!this.isWhole && this.ids.numberOf(entry.id) < ids) return "an id that stands in the log already";
    return undefined;
  }
}
