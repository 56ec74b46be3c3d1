/** What a verifier remembers of everything that went before, in little memory. */

/** The same text, standing on its own. */
export function ownText(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

/** How many places of the table are looked at. Where a log was made so that more of its UUIDs meet there, they are kept apart. */
const looksMax = 64;
const wordsOf = 4;

/** UUIDs, numbered from 0 in the order in which they were first seen: 16 bytes each, and nothing to collect. */
export class SeenUuids {
  size = 0;
  private words = new Int32Array(1024 * wordsOf);
  /** One more than the number of a UUID, at a place that its words name or shortly behind it; 0 where there is none. */
  private table = new Int32Array(2048);
  private readonly apart = new Map<string, number>();
  private readonly sought = new Int32Array(wordsOf);

  /** Its number: the size that was, where it was not seen before. */
  numberOf(uuid: string): number {
    const { sought } = this;
    readUuid(uuid, sought);
    if (2 * this.size >= this.table.length) this.grow();
    const free = this.find(sought, 0);
    if (free >= 0 && this.table[free] !== 0) return this.table[free]! - 1;
    const known = free < 0 ? this.apart.get(sought.join()) : undefined;
    if (known !== undefined) return known;
    this.words.set(sought, this.size * wordsOf);
    if (free < 0) this.apart.set(sought.join(), this.size);
    else this.table[free] = this.size + 1;
    return this.size++;
  }

  /** Where these words stand in the table or would; -1 where all the places that are looked at are taken by others. */
  private find(from: Int32Array, at: number): number {
    const { table, words } = this;
    const [a, b, c, d] = [from[at]!, from[at + 1]!, from[at + 2]!, from[at + 3]!];
    const last = table.length - 1;
    for (let look = 0, place = a ^ Math.imul(b, 0x9e3779b1) ^ (c << 7) ^ d; look < looksMax; look++, place++) {
      const found = table[place & last]!;
      const word = (found - 1) * wordsOf;
      if (found === 0) return place & last;
      if (words[word] === a && words[word + 1] === b && words[word + 2] === c && words[word + 3] === d) return place & last;
    }
    return -1;
  }

  private grow(): void {
    const words = new Int32Array(2 * this.words.length);
    words.set(this.words);
    this.words = words;
    this.table = new Int32Array(2 * this.table.length);
    this.apart.clear();
    for (let number = 0; number < this.size; number++) {
      const free = this.find(words, number * wordsOf);
      if (free >= 0) this.table[free] = number + 1;
      else this.apart.set(words.subarray(number * wordsOf, (number + 1) * wordsOf).join(), number);
    }
  }
}

function readUuid(uuid: string, into: Int32Array): void {
  for (let nth = 0, at = 0; nth < wordsOf; nth++) {
    let word = 0;
    for (let digits = 0; digits < 8; at++) {
      const code = uuid.charCodeAt(at);
      if (code === hyphen) continue;
      word = (word << 4) | (code < 58 ? code - 48 : code - 87);
      digits++;
    }
    into[nth] = word;
  }
}

const hyphen = 0x2d;

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
