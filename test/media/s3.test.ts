/** Evidence in a bucket: every request to it is presigned, and whoever looks is sent there. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsV4Signer } from "aws4fetch";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Unavailable } from "../../domain/log/event-log.ts";
import { found } from "../../ops/founding.ts";
import { bucketStore } from "../../ops/media/s3.ts";
import { openTestInstance } from "../support/instance.ts";
import { canary, jpeg } from "../support/media-files.ts";

const keyId = "AKIDEXAMPLE";
const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const region = "eu-central-2";

/** A bucket that takes nothing and gives nothing without a signature of this very request by this very key. */
type Bucket = {
  readonly url: string;
  readonly objects: Map<string, Buffer>;
  readonly came: string[];
  fails: number | undefined;
  close(): Promise<void>;
};

async function isSigned(url: URL, method: string): Promise<boolean> {
  const bare = new URL(url);
  const given = bare.searchParams.get("X-Amz-Signature");
  const [datetime, seconds] = [bare.searchParams.get("X-Amz-Date"), bare.searchParams.get("X-Amz-Expires")];
  if (given === null || datetime === null || seconds === null || !bare.searchParams.get("X-Amz-Credential")?.startsWith(`${keyId}/`))
    return false;
  for (const name of [...bare.searchParams.keys()]) if (name !== "X-Amz-Expires") bare.searchParams.delete(name);
  const signer = new AwsV4Signer({
    url: bare.href,
    method,
    accessKeyId: keyId,
    secretAccessKey: secret,
    region,
    service: "s3",
    signQuery: true,
    datetime,
  });
  const { url: signed } = await signer.sign();
  return signed.searchParams.get("X-Amz-Signature") === given;
}

async function openBucket(): Promise<Bucket> {
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url!, bucket.url);
    void request.toArray().then(async (pieces) => {
      bucket.came.push(`${request.method} ${url.pathname}`);
      if (bucket.fails !== undefined) return response.writeHead(bucket.fails).end();
      if (!(await isSigned(url, request.method!))) return response.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
      const object = bucket.objects.get(url.pathname);
      if (request.method === "PUT") {
        bucket.objects.set(url.pathname, Buffer.concat(pieces));
        return response.end();
      }
      return object
        ? response.writeHead(200, { "content-length": object.length }).end(request.method === "GET" ? object : undefined)
        : response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const bucket: Bucket = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/evidence`,
    objects: new Map(),
    came: [],
    fails: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return bucket;
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const pathOf = (hash: string) => `/evidence/${hash.slice(0, 2)}/${hash}`;

let bucket: Bucket;
let folder: string;
beforeAll(async () => {
  bucket = await openBucket();
  folder = await mkdtemp(join(tmpdir(), "minutebook-s3-"));
});
afterAll(async () => {
  await bucket?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  bucket.objects.clear();
  bucket.came.length = 0;
  bucket.fails = undefined;
});

describe("the store", () => {
  const bytes = Buffer.from("a file of some bytes");
  const hash = sha256(bytes);
  const path = () => join(folder, "incoming");
  const keep = async (with_ = secret) => {
    await writeFile(path(), bytes);
    await bucketStore({ url: bucket.url, region, keyId, secret: with_ }).keep(hash, path());
  };
  const store = () => bucketStore({ url: bucket.url, region, keyId, secret });

  it("keeps a content once, and takes the file over", async () => {
    await keep();
    await keep();
    expect(bucket.objects).toEqual(new Map([[pathOf(hash), bytes]]));
    expect(bucket.came).toEqual([`HEAD ${pathOf(hash)}`, `PUT ${pathOf(hash)}`, `HEAD ${pathOf(hash)}`]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("sends whoever looks to an address that is good for a quarter of an hour", async () => {
    await keep();
    const seen = await store().find(hash);
    const { url } = seen as { url: string };
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("900");
    expect(url).not.toContain(secret);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(bytes);
    expect((await fetch(url, { method: "PUT", body: "other" })).status).toBe(403);
    expect((await fetch(url.replace(hash, sha256(Buffer.from("other"))))).status).toBe(403);
    expect(await store().find(sha256(Buffer.from("other")))).toBeUndefined();
  });

  it("says that it is not there, and keeps the file, when the bucket fails or does not know the key", async () => {
    for (const fails of [500, 503, 403]) {
      bucket.fails = fails;
      await expect(keep()).rejects.toThrow(Unavailable);
    }
    bucket.fails = undefined;
    await expect(keep("another key")).rejects.toThrow("the bucket answers 403");
    expect(bucket.objects.size).toBe(0);
    await bucket.close();
    await expect(store().find(hash)).rejects.toThrow(Unavailable);
    bucket = await openBucket();
  });
});

describe("an instance with a bucket", () => {
  it("keeps evidence there alone, and shows it by sending there", async () => {
    const instance = await openTestInstance({
      env: {
        MINUTEBOOK_MEDIA_URL: bucket.url,
        MINUTEBOOK_MEDIA_REGION: region,
        MINUTEBOOK_MEDIA_KEY_ID: keyId,
        MINUTEBOOK_MEDIA_SECRET: secret,
      },
    });
    try {
      const founded = await found(instance, "The Well", "ana");
      if ("problem" in founded) throw new Error(founded.problem.detail);
      await instance.settled();
      const authorization = `Bearer ${await instance.identity.issue(founded.memberId)}`;
      const photo = jpeg();
      const upload = () =>
        fetch(`${instance.url}/evidence`, {
          method: "POST",
          headers: { authorization, "content-type": "image/jpeg" },
          body: new Uint8Array(photo),
        });
      bucket.fails = 500;
      const down = await upload();
      expect([down.status, down.headers.get("retry-after")]).toEqual([503, "1"]);
      bucket.fails = undefined;
      const answer = await upload();
      expect(answer.status).toBe(201);
      const { served } = (await answer.json()) as { served: { sha256: string } };
      await instance.settled();
      expect([...bucket.objects.keys()].sort()).toEqual([pathOf(sha256(photo)), pathOf(served.sha256)].sort());
      expect(await readdir(join(instance.home, "media"), { recursive: true })).toEqual(["incoming"]);
      for (const [path, hash, tells] of [
        [`/evidence/${sha256(photo)}`, served.sha256, false],
        [`/evidence/${sha256(photo)}/original`, sha256(photo), true],
      ] as const) {
        const seen = await fetch(instance.url + path, { headers: { authorization }, redirect: "manual" });
        expect([seen.status, seen.headers.get("cache-control")]).toEqual([302, "private, no-store"]);
        const location = seen.headers.get("location")!;
        expect(location).toMatch(/[?&]X-Amz-Signature=[0-9a-f]{64}/);
        const bytes = Buffer.from(await (await fetch(location)).arrayBuffer());
        expect([sha256(bytes), bytes.includes(canary)]).toEqual([hash, tells]);
      }
    } finally {
      await instance.close();
    }
  });
});
