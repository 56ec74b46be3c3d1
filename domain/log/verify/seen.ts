/** What a verifier remembers of everything that went before, in little memory. */

/**
 * A UUID as 8 characters of 16 bits. Trap: a piece cut out of a longer text keeps all of that text alive, so what is
 * remembered must be text of its own.
 */
export function packUuid(uuid: string): string {
  const word = (at: number) => (digit(uuid, at) << 12) | (digit(uuid, at + 1) << 8) | (digit(uuid, at + 2) << 4) | digit(uuid, at + 3);
  return String.fromCharCode(word(0), word(4), word(9), word(14), word(19), word(24), word(28), word(32));
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}

/** The same text, standing on its own. */
export function ownText(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

/** A set of packed UUIDs. Many sets, because one holds at most 2^24. */
export class SeenUuids {
  private readonly sets = Array.from({ length: 256 }, () => new Set<string>());

  /** Says whether it was new. */
  add(packed: string): boolean {
    const set = this.sets[packed.charCodeAt(7) & 255]!;
    const before = set.size;
    return set.add(packed).size > before;
  }
}

/** One text for equal texts. */
export class Names {
  private readonly names = new Map<string, string>();

  one(name: string): string {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    const own = ownText(name);
    this.names.set(own, own);
    return own;
  }
}

/** Payloads that wait for exactly these keys to be destroyed. */
type Group = { readonly keys: readonly string[]; count: number };

/** Which sealed payloads are declared erased: those all of whose keys are destroyed at a higher leaf index. */
export class Erasures {
  sealed = 0;
  erased = 0;
  /** By their keys; and for each key the groups it stands in. */
  private readonly waiting = new Map<string, Group>();
  private readonly groupsOf = new Map<string, Set<Group>>();

  /** No key twice, in ascending order. */
  addSealed(keys: readonly string[]): void {
    this.sealed++;
    this.wait(keys, 1);
  }

  destroy(key: string): void {
    for (const group of this.groupsOf.get(key) ?? []) {
      const left = group.keys.filter((other) => other !== key);
      this.forget(group);
      if (left.length > 0) {
        this.wait(left, group.count);
      } else {
        this.sealed -= group.count;
        this.erased += group.count;
      }
    }
  }

  private wait(keys: readonly string[], count: number): void {
    const group = this.waiting.get(nameOf(keys));
    if (group) group.count += count;
    else this.begin({ keys: keys.map(ownText), count });
  }

  private begin(group: Group): void {
    this.waiting.set(nameOf(group.keys), group);
    for (const key of group.keys) {
      const groups = this.groupsOf.get(key);
      if (groups) groups.add(group);
      else this.groupsOf.set(key, new Set([group]));
    }
  }

  private forget(group: Group): void {
    this.waiting.delete(nameOf(group.keys));
    for (const key of group.keys) {
      const groups = this.groupsOf.get(key)!;
      groups.delete(group);
      if (groups.size === 0) this.groupsOf.delete(key);
    }
  }
}

const nameOf = (keys: readonly string[]) => (keys.length === 1 ? keys[0]! : keys.join(" "));
