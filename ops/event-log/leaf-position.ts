/** The positions of engines that count leaves themselves: the leaf index in 16 digits, so that text sorts as numbers do. */
import { Broken, type Place, type Position } from "../../domain/log/event-log.ts";

export function positionOf(leafIndex: number): Position {
  const digits = String(leafIndex);
  return zeros[digits.length]! + digits;
}

/** What is missing to 16 digits, by how many there are. */
const zeros = Array.from({ length: 17 }, (_, digits) => "0".repeat(16 - digits));

/** Input may be unpadded. Throws a RangeError on what is no position, `Broken` where the place's own count says otherwise. */
export function leafIndexOf({ position, size }: Place): number {
  const leafIndex = Number(position);
  if (!/^\d{1,16}$/.test(position) || !Number.isSafeInteger(leafIndex)) throw new RangeError(`"${position}" is no position`);
  if (size !== leafIndex + 1) throw new Broken(`position ${position} was reached with ${size} entries, it has ${leafIndex + 1}`);
  return leafIndex;
}
