/**
 * Ed25519 checked in JavaScript alone, for where the platform has none: a page opened from a file, an older browser. Without
 * cofactor (RFC 8032 §5.1.7); `isSigned` refuses what libraries disagree about before it asks. Not for signing: it takes as long as the numbers do.
 */
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, equalBytes } from "../hash.ts";

const p = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const d = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const rootOfMinusOne = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;

/** Extended coordinates: x = X / Z, y = Y / Z, T = XY / Z. */
type Point = { readonly X: bigint; readonly Y: bigint; readonly Z: bigint; readonly T: bigint };

const zero: Point = { X: 0n, Y: 1n, Z: 1n, T: 0n };
const base = pointOf(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 0x58 : 0x66)))!;

/** Whether this is the signature of the message under the key. False for whatever is not of its form. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = pointOf(publicKey);
  const s = numberOf(signature.subarray(32));
  if (!key || s >= order) return false;
  const challenge = numberOf(sha512(concat(signature.subarray(0, 32), publicKey, message))) % order;
  return equalBytes(bytesOf(sumOfProducts(s, base, challenge, negative(key))), signature.subarray(0, 32));
}

/** a·A + b·B: both numbers bit by bit together. */
function sumOfProducts(a: bigint, A: Point, b: bigint, B: Point): Point {
  const both = add(A, B);
  let sum = zero;
  for (let bit = 252n; bit >= 0n; bit--) {
    sum = add(sum, sum);
    const ofA = (a >> bit) & 1n;
    const ofB = (b >> bit) & 1n;
    if (ofA && ofB) sum = add(sum, both);
    else if (ofA) sum = add(sum, A);
    else if (ofB) sum = add(sum, B);
  }
  return sum;
}

/** Complete on this curve: equal points are added like any others (RFC 8032 §5.1.4). */
function add(a: Point, b: Point): Point {
  const A = mod((a.Y - a.X) * (b.Y - b.X));
  const B = mod((a.Y + a.X) * (b.Y + b.X));
  const C = mod(2n * a.T * d * b.T);
  const D = mod(2n * a.Z * b.Z);
  const [E, F, G, H] = [B - A, D - C, D + C, B + A];
  return { X: mod(E * F), Y: mod(G * H), Z: mod(F * G), T: mod(E * H) };
}

const negative = ({ X, Y, Z, T }: Point): Point => ({ X: mod(-X), Y, Z, T: mod(-T) });

/** Undefined for bytes that are no point's canonical spelling (RFC 8032 §5.1.3). */
function pointOf(bytes: Uint8Array): Point | undefined {
  const whole = numberOf(bytes);
  const sign = whole >> 255n;
  const y = whole & (2n ** 255n - 1n);
  if (y >= p) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(d * y * y + 1n);
  const candidate = mod(u * v ** 3n * power(mod(u * power(v, 7n)), (p - 5n) / 8n));
  const square = mod(v * candidate * candidate);
  if (square !== u && square !== mod(-u)) return undefined;
  const root = square === u ? candidate : mod(candidate * rootOfMinusOne);
  if (root === 0n && sign === 1n) return undefined;
  const x = (root & 1n) === sign ? root : p - root;
  return { X: x, Y: y, Z: 1n, T: mod(x * y) };
}

function bytesOf({ X, Y, Z }: Point): Uint8Array {
  const inverse = power(Z, p - 2n);
  let rest = mod(Y * inverse) | ((mod(X * inverse) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, () => {
    const byte = Number(rest & 255n);
    rest >>= 8n;
    return byte;
  });
}

/** Little-endian. */
function numberOf(bytes: Uint8Array): bigint {
  let number = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) number = (number << 8n) | BigInt(bytes[at]!);
  return number;
}

function power(value: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [value, exponent]; rest > 0n; rest >>= 1n, square = mod(square * square))
    if (rest & 1n) result = mod(result * square);
  return result;
}

function mod(value: bigint): bigint {
  const rest = value % p;
  return rest < 0n ? rest + p : rest;
}
