import { utf8 } from "../../../domain/log/hash.ts";

const tokens = ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", "1e1", " ", "\\u0041", "\\/", "é", "null", "sealed", "A", "_", ".", "9"];

/** A line with one or two small changes: bytes flipped, cut out, doubled, or tokens put in. */
export function bend(line: Uint8Array, random: (below: number) => number): Uint8Array {
  const at = random(line.length);
  const length = random(4);
  const put = [
    () => Uint8Array.of(line[at]! ^ (1 << random(8))),
    () => utf8(tokens[random(tokens.length)]!),
    () => line.subarray(at, at + length + 1),
    () => new Uint8Array(0),
  ][random(4)]!();
  return Uint8Array.from([...line.subarray(0, at), ...put, ...line.subarray(at + length)]);
}
