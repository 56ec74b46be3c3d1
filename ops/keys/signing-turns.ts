/** Whose turn it is to sign: the changes of the log's key, as the log records them, and which keys sign a tree that has grown over one. */
import type { EventLog, Recorded } from "../../domain/log/event-log.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Query } from "../../projections/database.ts";

const stream = "log";

export class SigningTurns {
  private readonly first: string;
  private readonly rotations: { readonly position: string; readonly to: string; readonly isRecovery: boolean }[] = [];

  private constructor(opened: Recorded) {
    this.first = opened.data["vkey"] as string;
  }

  /** As the log records them up to and with a position, which the rows of the tree have passed; "" is before the first. Later ones are `take`n. */
  static async read(log: EventLog, query: Query, upTo: string): Promise<SigningTurns> {
    const recorded = await log.read(stream);
    const turns = new SigningTurns(recorded[0]!);
    if (upTo === "") return turns;
    for (const each of recorded) if (each.position <= upTo) turns.take(each);
    const [head] = await query<{ revision: number }>("select revision from read.stream_head where stream = $1", [stream]);
    // A read may be stale where it is answered by several nodes, and an old key would then go on signing.
    if (recorded.length <= head!.revision) throw new Unavailable("the log does not show yet which key signs it", "nothing-happened");
    return turns;
  }

  take({ entry, data, position }: Recorded): void {
    if (entry.stream !== stream || entry.type !== "LogKeyRotated") return;
    this.rotations.push({ position, to: data["to"] as string, isRecovery: data["recovery"] !== undefined });
  }

  /** The key in force after the entry of a position; "" is before the first. */
  at(position: string): string {
    return this.rotations.findLast((rotation) => rotation.position <= position)?.to ?? this.first;
  }

  /**
   * Who signs the tree that ends at a position, where the one signed before ended at another: the key in force before, and every one that it has
   * grown over. A recovery stands for a key that is lost or in wrong hands, which signs no more.
   */
  signers(before: string, position: string): readonly string[] {
    let signers = [this.at(before)];
    for (const { to, isRecovery } of this.rotations.filter((each) => each.position > before && each.position <= position))
      signers = isRecovery ? [to] : [...signers, to];
    return signers;
  }
}
