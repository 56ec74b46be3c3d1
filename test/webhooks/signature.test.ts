import { generateKeyPairSync, randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { type Keys, verifyWebhook } from "../../docs/verify-webhook.ts";
import { signEd25519, signWithSeed as sign, verifyEd25519 } from "../../ops/crypto.ts";
import type { Outgoing, SigningSecret } from "../../webhooks/profile.ts";
import { profiles } from "../../webhooks/receivers.ts";
import { grSignature, signedContent, v1aSignature, v1Signature } from "../../webhooks/signature.ts";

const { markov, standard } = profiles(sign);
const bytes = (text: string) => new TextEncoder().encode(text);

const grSecret = "0123456789abcdef".repeat(4);
const v1Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const v1aSecret = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const v1aPublic = `whpk_${Buffer.from(v1aSecret.slice(5), "base64").subarray(32).toString("base64")}`;

const vouch =
  '{"event_id":"evt_a1b2c3d4e5f6789a","event_type":"vouch_submitted","schema_version":"1","request_id":"req_vouch_001",' +
  '"source_platform_id":"gotong_royong","actor":{"user_id":"u1","username":"a"},"subject":{"vouchee_id":"u2"}}';

describe("signatures are those that the standards publish", () => {
  const published = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: bytes('{"test": 2432232314}') };

  it("v1", () => {
    expect(v1Signature(v1Secret, signedContent(published))).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  it("v1a", () => {
    expect(v1aSignature(v1aSecret, signedContent(published), sign)).toBe(
      "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
    );
  });

  it("v1a keeps the keys of many seeds apart, also of those that it has forgotten", () => {
    const message = bytes("told");
    const seeds = Array.from({ length: 300 }, () => randomBytes(32));
    for (const seed of [...seeds, ...seeds]) {
      const { publicKey } = signEd25519(seed);
      expect(verifyEd25519(publicKey, message, sign(Uint8Array.from(seed), message))).toBe(true);
    }
  });

  it("gr: the key is the text of the secret", () => {
    expect(grSignature("test_secret_32_chars_minimum_here", bytes('{"event_type":"contribution_created"}'))).toBe(
      "sha256=44380188d0957c9bc72317aa1342ac6fedad78feba92828503877edf2e90800b",
    );
  });

  it("gr and v1 over one body of the contract", () => {
    expect(bytes(vouch)).toHaveLength(223);
    expect(grSignature(grSecret, bytes(vouch))).toBe("sha256=2556a44cd85b4caf309202ab35467e883fad90a689ab1ec25abd99b548c75fd9");
    const content = signedContent({ id: "evt_a1b2c3d4e5f6789a", timestamp: 1_700_000_000, body: bytes(vouch) });
    expect(v1Signature(v1Secret, content)).toBe("v1,C2spwhwE79RhKoe56UvbmWuXWAUH5bbGprBtgbItZfU=");
  });

  it("the whsec_ form of a gr secret is base64 of its text, not of the bytes that its hex stands for", () => {
    const asV1 = `whsec_${Buffer.from(grSecret).toString("base64")}`;
    expect(asV1.startsWith("whsec_MDEyMzQ1")).toBe(true);
    const one = v1Signature(asV1, bytes(vouch)).slice("v1,".length);
    expect(Buffer.from(one, "base64").toString("hex")).toBe(grSignature(grSecret, bytes(vouch)).slice("sha256=".length));
  });
});

const secret = (kid: string, scheme: SigningSecret["scheme"], text: string, state: SigningSecret["state"] = "active"): SigningSecret => ({
  kid,
  scheme,
  text,
  state,
});
const outgoing = (secrets: readonly SigningSecret[], more: Partial<Outgoing> = {}): Outgoing => ({
  id: "evt_a1b2c3d4e5f6789a",
  body: bytes(vouch),
  secrets,
  timestamp: 1_700_000_000,
  seq: 184_467,
  generation: 0,
  ...more,
});
const newer = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

describe("headers", () => {
  it("carry both schemes on one request to Markov, the same on every attempt but for the time", () => {
    const both = [secret("k1", "gr", grSecret), secret("k2", "v1", v1Secret)];
    const headers = markov.headers(outgoing(both))!;
    expect(headers).toEqual({
      "user-agent": "GotongRoyong/1.0",
      "content-type": "application/json",
      "x-gr-signature": "sha256=2556a44cd85b4caf309202ab35467e883fad90a689ab1ec25abd99b548c75fd9",
      "x-request-id": "req_a1b2c3d4e5f6789a",
      "webhook-id": "evt_a1b2c3d4e5f6789a",
      "webhook-timestamp": "1700000000",
      "webhook-seq": "184467",
      "webhook-signature": "v1,C2spwhwE79RhKoe56UvbmWuXWAUH5bbGprBtgbItZfU=",
    });
    const retried = markov.headers(outgoing(both, { timestamp: 1_700_000_008, generation: 2 }))!;
    expect(retried).toMatchObject({
      "x-gr-signature": headers["x-gr-signature"],
      "x-request-id": headers["x-request-id"],
      "webhook-replay": "2",
    });
    expect(retried["webhook-signature"]).not.toBe(headers["webhook-signature"]);
  });

  it("carry one gr signature while secrets overlap, and every v1 signature, the newest first", () => {
    const overlap = [
      secret("k1", "gr", "x".repeat(64), "retiring"),
      secret("k2", "gr", grSecret),
      secret("k3", "v1", v1Secret, "retiring"),
      secret("k4", "v1a", v1aSecret),
      secret("k5", "v1", newer),
    ];
    const content = signedContent(outgoing([]));
    const expected = [v1Signature(newer, content), v1Signature(v1Secret, content), v1aSignature(v1aSecret, content, sign)].join(" ");
    expect(markov.headers(outgoing(overlap))).toMatchObject({
      "x-gr-signature": grSignature(grSecret, bytes(vouch)),
      "webhook-signature": expected,
    });
    expect(standard.headers(outgoing(overlap))).not.toHaveProperty("x-gr-signature");
    expect(standard.headers(outgoing(overlap))).toMatchObject({ "webhook-signature": expected });
  });

  it("are undefined where nothing would sign the request", () => {
    expect(markov.headers(outgoing([secret("k", "v1", v1Secret)]))).toBeUndefined();
    expect(markov.headers(outgoing([secret("k", "gr", grSecret, "retiring")]))).toBeUndefined();
    expect(standard.headers(outgoing([secret("k", "gr", grSecret)]))).toBeUndefined();
  });
});

describe("receivers accept what is sent", () => {
  const now = Math.floor(Date.now() / 1000);
  const sent = outgoing([secret("a", "v1", v1Secret, "retiring"), secret("b", "v1", newer), secret("c", "v1a", v1aSecret)], {
    timestamp: now,
  });
  const headers = standard.headers(sent)!;
  const text = Buffer.from(sent.body);

  it("the official library, under the old secret and the new one", () => {
    for (const known of [v1Secret, newer]) expect(new Webhook(known).verify(text, { ...headers })).toEqual(JSON.parse(vouch));
    expect(() => new Webhook(`whsec_${randomBytes(24).toString("base64")}`).verify(text, { ...headers })).toThrow("No matching signature");
    expect(() => new Webhook(newer).verify(Buffer.from(`${vouch} `), { ...headers })).toThrow("No matching signature");
  });

  const body = bytes(vouch);
  const grHeaders = markov.headers(outgoing([secret("k", "gr", grSecret)], { timestamp: now }))!;

  it("our verifier, whichever key it holds", async () => {
    const cases: readonly [Keys, Record<string, string>, string][] = [
      [{ gr: [grSecret] }, grHeaders, "gr"],
      [{ v1: [v1Secret] }, headers, "v1"],
      [{ v1: [newer] }, headers, "v1"],
      [{ v1a: [v1aPublic] }, headers, "v1a"],
    ];
    for (const [keys, given, scheme] of cases)
      expect(await verifyWebhook(body, given, keys)).toEqual({ valid: true, scheme, id: "evt_a1b2c3d4e5f6789a" });
  });

  it("our verifier takes what the official library signed, and a signature of a version that it does not know beside it", async () => {
    const at = new Date(now * 1000);
    const theirs = new Webhook(v1Secret).sign("msg_1", at, vouch);
    const given = { "webhook-id": "msg_1", "webhook-timestamp": String(now), "webhook-signature": `v9,xyz ${theirs}` };
    expect(await verifyWebhook(body, given, { v1: [v1Secret] })).toEqual({ valid: true, scheme: "v1", id: "msg_1" });
  });

  it("our verifier refuses everything else, and says why", async () => {
    const stranger = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x!;
    const other = `whpk_${Buffer.from(stranger, "base64url").toString("base64")}`;
    const refusals: readonly [string, Uint8Array<ArrayBuffer>, Record<string, string>, Keys, object?][] = [
      ["unsigned", body, {}, { v1: [v1Secret] }],
      ["no key fits", body, headers, {}],
      ["no key fits", body, headers, { v1: [`whsec_${randomBytes(32).toString("base64")}`] }],
      ["no key fits", body, headers, { v1a: [other] }],
      ["no key fits", body, headers, { v1: ["whsec_"], v1a: ["whpk_"] }],
      ["no key fits", bytes(`${vouch} `), headers, { v1: [newer], v1a: [v1aPublic] }],
      ["no key fits", body, { ...headers, "webhook-id": "evt_other" }, { v1: [newer], v1a: [v1aPublic] }],
      ["no key fits", body, { ...headers, "webhook-signature": "v1,%%% v1a,AA v1," }, { v1: [newer], v1a: [v1aPublic] }],
      ["no key fits", bytes(`${vouch} `), grHeaders, { gr: [grSecret] }],
      ["no key fits", body, { ...grHeaders, "x-gr-signature": grHeaders["x-gr-signature"]!.toUpperCase() }, { gr: [grSecret] }],
      ["no key fits", body, grHeaders, { gr: [Buffer.from(grSecret, "hex").toString("latin1")] }],
      ["too old or too new", body, headers, { v1: [newer] }, { now: now + 301 }],
      ["too old or too new", body, headers, { v1: [newer] }, { now: now - 301 }],
    ];
    for (const [why, given, named, keys, options] of refusals)
      expect(await verifyWebhook(given, named, keys, options)).toEqual({ valid: false, why });
    expect(await verifyWebhook(body, headers, { v1: [newer] }, { now: now + 301, toleranceSeconds: 600 })).toMatchObject({ valid: true });
  });

  it("the public half of a v1a secret is that of its seed", () => {
    const { publicKey } = signEd25519(Buffer.from(v1aSecret.slice(5), "base64").subarray(0, 32));
    expect(`whpk_${Buffer.from(publicKey).toString("base64")}`).toBe(v1aPublic);
  });
});
