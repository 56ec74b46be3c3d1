/**
 * Checks that a webhook comes from who it says. Made to be copied: it needs nothing but WebCrypto, which Node 20 and later, Deno, Bun, workers
 * and browsers have. Hand it the body exactly as it came: parsed and written again it is other bytes.
 *
 * A request is good when one signature of one scheme that you hold a key for is right, so hand only the schemes that you rely on. Of these,
 * `gr` covers the body alone, so it never goes stale: whoever holds an old request can send it again. Keep the ids that you have seen.
 */
export type Keys = {
  /** Secrets of `X-GR-Signature`, as they were shown. */
  readonly gr?: readonly string[];
  /** `whsec_…`; during a change of secrets, the old and the new one. */
  readonly v1?: readonly string[];
  /** Public keys, `whpk_…`. */
  readonly v1a?: readonly string[];
};

export type Verdict =
  | { readonly valid: true; readonly scheme: "gr" | "v1" | "v1a"; readonly id: string | undefined }
  | { readonly valid: false; readonly why: "unsigned" | "no key fits" | "too old or too new" };

/** `headers`: names in lower case, as Node has them. `now`: whole seconds since 1970. */
export async function verifyWebhook(
  body: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  keys: Keys,
  { toleranceSeconds = 300, now = Math.floor(Date.now() / 1000) } = {},
): Promise<Verdict> {
  const header = (name: string) => (typeof headers[name] === "string" ? headers[name] : undefined);
  const id = header("webhook-id");
  const ofBody = header("x-gr-signature");
  const signatures = header("webhook-signature")?.split(" ") ?? [];
  const timestamp = header("webhook-timestamp") ?? "";
  const wrong: Verdict = { valid: false, why: ofBody === undefined && signatures.length === 0 ? "unsigned" : "no key fits" };

  const tag = /^sha256=([0-9a-f]{64})$/.exec(ofBody ?? "")?.[1];
  for (const secret of tag === undefined ? [] : (keys.gr ?? []))
    if (await isHmac(utf8(secret), fromHex(tag!), body)) return { valid: true, scheme: "gr", id };

  const signed = signatures.flatMap((each) => schemes.flatMap((scheme) => (each.startsWith(`${scheme},`) ? [{ scheme, each }] : [])));
  if (id === undefined || !/^\d{1,12}$/.test(timestamp) || signed.length === 0) return wrong;
  if (Math.abs(now - Number(timestamp)) > toleranceSeconds) return { valid: false, why: "too old or too new" };
  const content = join(utf8(`${id}.${timestamp}.`), body);
  for (const { scheme, each } of signed) {
    const signature = fromBase64(each.slice(scheme.length + 1));
    for (const key of keys[scheme] ?? []) {
      const bytes = fromBase64(key.replace(/^wh(sec|pk)_/, ""));
      if (await (scheme === "v1" ? isHmac : isEd25519)(bytes, signature, content)) return { valid: true, scheme, id };
    }
  }
  return wrong;
}

const schemes = ["v1", "v1a"] as const;
type Bytes = Uint8Array<ArrayBuffer>;

// Why not compare by hand: the platform does it in a time that tells nothing.
async function isHmac(key: Bytes, signature: Bytes, content: Bytes): Promise<boolean> {
  if (key.length === 0) return false;
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  return crypto.subtle.verify("HMAC", imported, signature, content);
}

async function isEd25519(key: Bytes, signature: Bytes, content: Bytes): Promise<boolean> {
  if (key.length !== 32) return false;
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, content);
}

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
const fromHex = (text: string): Bytes => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** Empty for what is no base64: nothing is signed with nothing. */
function fromBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}

function join(head: Bytes, body: Bytes): Bytes {
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}
