/** Node's own cryptography where the domain is handed some: Ed25519, AES-256-GCM, and faster equals of its hashes. */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import type { SignEd25519 } from "../domain/log/checkpoint.ts";
import { useB64u, useSha1, useSha256 } from "../domain/log/hash.ts";
import type { VerifyEd25519 } from "../domain/log/note.ts";
import type { Cipher } from "../domain/log/sealed.ts";

const tagBytes = 16;

/** Trap: Node takes bare bytes too, and then four times as long. A subject's key is the same array each time it is used. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();
function keyObjectOf(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key);
  if (known) return known;
  const made = createSecretKey(key);
  keyObjects.set(key, made);
  return made;
}

/** AES-256-GCM; sealed bytes are the ciphertext followed by its tag. */
export const cipher: Cipher = {
  encrypt(key, nonce, plaintext, associated) {
    const gcm = createCipheriv("aes-256-gcm", keyObjectOf(key), nonce);
    gcm.setAAD(associated);
    return Buffer.concat([gcm.update(plaintext), gcm.final(), gcm.getAuthTag()]);
  },
  decrypt(key, nonce, sealed, associated) {
    if (sealed.length < tagBytes) return undefined;
    // Trap: without the length Node takes shorter tags too.
    const gcm = createDecipheriv("aes-256-gcm", keyObjectOf(key), nonce, { authTagLength: tagBytes });
    gcm.setAAD(associated);
    gcm.setAuthTag(sealed.subarray(-tagBytes));
    const plaintext = gcm.update(sealed.subarray(0, -tagBytes));
    try {
      return Buffer.concat([plaintext, gcm.final()]);
    } catch {
      return undefined;
    }
  },
};

export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) => {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") }, format: "jwk" });
  } catch {
    return false;
  }
  return verify(null, message, key, signature);
};

/** PKCS #8 around a bare Ed25519 seed (RFC 8410). */
const seedPrefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key pair of a 32-byte seed. */
export function signEd25519(seed: Uint8Array): { readonly publicKey: Uint8Array; readonly sign: SignEd25519 } {
  if (seed.length !== 32) throw new RangeError("an Ed25519 seed has 32 bytes");
  const key = createPrivateKey({ key: Buffer.concat([seedPrefix, seed]), format: "der", type: "pkcs8" });
  const publicKey = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x!, "base64url");
  return { publicKey: Uint8Array.from(publicKey), sign: (message) => sign(null, message, key) };
}

const signersMax = 256;
const signers = new Map<string, SignEd25519>();

/** Signs with a seed that comes as new bytes each time: the key that Node makes of it, several signatures' worth of work, is kept. */
export function signWithSeed(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const name = Buffer.from(seed).toString("latin1");
  let signer = signers.get(name);
  if (!signer) {
    signer = signEd25519(seed).sign;
    if (signers.size >= signersMax) signers.delete(signers.keys().next().value!);
    signers.set(name, signer);
  }
  return signer(message) as Uint8Array;
}

/** The public key of a 32-byte seed. */
export const publicKeyOf = (seed: Uint8Array): Uint8Array => signEd25519(seed).publicKey;

/** Called once at the start of a process: the domain's hashes are then Node's, which is several times as fast. */
export function useNodeHashes(): void {
  // Why not "buffer": a text of one-byte characters comes back in a third of the time.
  useSha256(
    (input) => fromLatin1(hash("sha256", input, "binary")),
    (input) => hash("sha256", input, "base64url"),
    (input, into, at) => writeLatin1(hash("sha256", input, "binary"), into, at),
  );
  useSha1((input) => hash("sha1", input, "hex"));
  useB64u(
    (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url"),
    (text) =>
      3 * text.length > scratch.length ? Buffer.from(text).toString("base64url") : scratch.toString("base64url", 0, scratch.write(text)),
    (bytes, length) => hash("sha256", bufferOver(bytes).toString("base64url", 0, length), "base64url"),
  );
}

/** The same array is handed in again and again, and a view takes longer to make than to read. */
let viewed: Buffer = Buffer.alloc(0);
function bufferOver({ buffer, byteOffset, length }: Uint8Array): Buffer {
  const isSame = viewed.buffer === buffer && viewed.byteOffset === byteOffset && viewed.length === length;
  return isSame ? viewed : (viewed = Buffer.from(buffer, byteOffset, length));
}

/** Filled anew for each text: encoding is synchronous. */
const scratch = Buffer.allocUnsafeSlow(4_096);

function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

function writeLatin1(text: string, into: Uint8Array, at: number): void {
  for (let nth = 0; nth < text.length; nth++) into[at + nth] = text.charCodeAt(nth);
}
