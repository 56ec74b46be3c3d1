/** The bytes of evidence, over HTTP: what is taken, what is refused before or while it comes, and who is shown what. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { found } from "../../ops/founding.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { box, canary, gpx, jpeg, mp4 } from "../support/media-files.ts";
import { until } from "../support/receiver.ts";

let instance: TestInstance;
const tokens: Record<string, string> = {};
const members: Record<string, string> = {};
const names = ["ben", "cem", "dora", "eve", "fay", "gil", "hal", "ida"] as const;

type Got = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly bytes: Buffer; readonly body: any };

function open(path: string, method: string, name: string | undefined, headers: Record<string, string | number> = {}): ClientRequest {
  return request(instance.url + path, {
    method,
    headers: { ...(name !== undefined && { authorization: `Bearer ${tokens[name]}` }), ...headers },
  });
}
async function answerTo(asked: ClientRequest): Promise<Got> {
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const bytes = Buffer.concat(await response.toArray());
  const isJson = response.headers["content-type"]?.includes("json") === true;
  return { status: response.statusCode!, headers: response.headers, bytes, body: isJson ? JSON.parse(bytes.toString()) : undefined };
}
async function upload(name: string | undefined, bytes: Buffer, { query = "", headers = {} as Record<string, string> } = {}): Promise<Got> {
  const asked = open(`/evidence${query}`, "POST", name, { "content-type": "application/octet-stream", ...headers });
  const answer = answerTo(asked);
  asked.end(bytes);
  return answer;
}
async function get(path: string, name?: string): Promise<Got> {
  const asked = open(path, "GET", name);
  const answer = answerTo(asked);
  asked.end();
  return answer;
}
const must = async (command: string, input: object, name = "ana") => {
  const { status, body } = await instance.post(command, input, { token: tokens[name]! });
  if (status !== 201) throw new Error(`${command}: ${JSON.stringify(body)}`);
  await instance.settled();
  return body;
};
const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes);
const sha256 = (bytes: Buffer) => hashOf(bytes).digest("hex");
const digest = (bytes: Buffer) => `sha-256=:${hashOf(bytes).digest("base64")}:`;

/** Every file that is kept, and every one that is still coming in. */
const kept = async () => {
  const entries = await readdir(join(instance.home, "media"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
};
const head = async () => (await instance.log.head())!.size;
/** Leaves neither bytes nor an entry behind. */
async function leavesNothing(act: () => Promise<void>): Promise<void> {
  const before = [await kept(), await head()];
  await act();
  expect([await kept(), await head()]).toEqual(before);
}

beforeAll(async () => {
  instance = await openTestInstance();
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  members["ana"] = founded.memberId;
  tokens["ana"] = await instance.identity.issue(founded.memberId);
  for (const name of names) {
    const { memberId } = await must("admit-member", { displayName: name });
    members[name] = memberId;
    tokens[name] = await instance.identity.issue(memberId);
  }
  const untilAt = new Date(Date.now() + 86_400_000).toISOString();
  await must("suspend-member", { memberId: members["ida"], untilAt, reason: "away" });
});
afterAll(() => instance?.close());

describe("an upload", () => {
  it("is recorded once, whoever sends it, and names the copy that is served", async () => {
    const photo = jpeg();
    const first = await upload("ben", photo);
    expect([first.status, first.body]).toEqual([
      201,
      expect.objectContaining({ sha256: sha256(photo), bytes: photo.length, mime: "image/jpeg", width: 640, height: 480 }),
    ]);
    expect(first.body.served.sha256).not.toBe(sha256(photo));
    await leavesNothing(async () => {
      for (const name of ["ben", "cem"]) {
        const again = await upload(name, photo);
        expect([again.status, again.body]).toEqual([200, first.body]);
      }
    });
  });

  it("of the same bytes by many at once is one", async () => {
    const photo = jpeg({ width: 648 });
    const size = await head();
    const answers = await Promise.all(["ben", "cem", "dora", "eve"].map((name) => upload(name, photo)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    expect(await head()).toBe(size! + 1);
    expect((await kept()).filter((name) => name === sha256(photo))).toHaveLength(1);
  });

  it("is compared with the hash that its sender announced", async () => {
    const photo = jpeg({ width: 656 });
    const other = jpeg({ width: 664 });
    await leavesNothing(async () => {
      for (const wrong of [
        { query: `?sha256=${sha256(other)}` },
        { headers: { "repr-digest": digest(other) } },
        { headers: { "content-digest": digest(other) } },
      ])
        expect((await upload("ben", photo, wrong)).body).toMatchObject({
          status: 409,
          code: "HASH_MISMATCH",
          figures: { announced: sha256(other), found: sha256(photo) },
        });
      expect((await upload("ben", photo, { query: "?sha256=abc" })).body.code).toBe("INVALID_QUERY");
      expect((await upload("ben", photo, { headers: { "repr-digest": "md5=:abc=:" } })).body.code).toBe("INVALID_HEADER");
    });
    expect((await upload("ben", photo, { query: `?sha256=${sha256(photo)}` })).status).toBe(201);
    expect((await upload("ben", other, { headers: { "repr-digest": `sha-512=:AAAA:, ${digest(other)}` } })).status).toBe(201);
  });

  it("is a member's who may act", async () => {
    await leavesNothing(async () => {
      const guest = await upload(undefined, jpeg({ width: 672 }));
      expect([guest.status, guest.body.code, guest.headers["www-authenticate"]]).toEqual([
        401,
        "UNAUTHENTICATED",
        'Bearer realm="minutebook"',
      ]);
      const suspended = await upload("ida", jpeg({ width: 672 }));
      expect([suspended.status, suspended.headers["content-type"]]).toEqual([403, "application/problem+json; charset=utf-8"]);
    });
  });

  it("of what is no evidence is refused by its rule", async () => {
    const wrong: [string, Buffer, number][] = [
      ["UNSUPPORTED_TYPE", Buffer.alloc(0), 409],
      ["UNSUPPORTED_TYPE", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"), 409],
      ["LOW_RESOLUTION", jpeg({ width: 320, height: 240 }), 409],
      ["TOO_LARGE", gpx("<!--".padEnd(1_100_000, "x") + "-->"), 413],
    ];
    await leavesNothing(async () => {
      for (const [code, bytes, status] of wrong) {
        const answer = await upload("ben", bytes);
        expect([answer.status, answer.body.code], code).toEqual([status, code]);
      }
    });
  });

  it("that announces too much is refused before it is sent", async () => {
    await leavesNothing(async () => {
      for (const [name, status] of [
        ["ben", 413],
        [undefined, 401],
      ] as const) {
        const asked = open("/evidence", "POST", name, { "content-type": "video/mp4", "content-length": 10_000_000_000 });
        // Whoever goes on sending meets a closed connection.
        asked.on("error", () => {});
        const answer = answerTo(asked);
        asked.flushHeaders();
        const { status: got, body, headers } = await answer;
        expect([got, headers.connection]).toEqual([status, "close"]);
        if (status === 413) expect(body).toMatchObject({ code: "BODY_TOO_LARGE", figures: { bytesMax: 100_000_000 } });
        asked.destroy();
      }
    });
  });

  it("that does not say its length is broken off where it becomes too large", async () => {
    await leavesNothing(async () => {
      const asked = open("/evidence", "POST", "ben", { "content-type": "video/mp4" });
      asked.on("error", () => {});
      const answer = answerTo(asked);
      const piece = Buffer.alloc(1_000_000, 7);
      for (let sent = 0; sent <= 101 && !asked.destroyed; sent++)
        if (!asked.write(piece)) await Promise.race([once(asked, "drain"), answer]);
      expect((await answer).body).toMatchObject({ status: 413, code: "TOO_LARGE" });
      asked.destroy();
    });
  });

  it("that breaks off leaves nothing", async () => {
    const before = [await kept(), await head()];
    const errors = instance.logged.filter((line) => line.includes("a request failed")).length;
    for (const headers of [{ "content-length": 5_000_000 }, {}]) {
      const asked = open("/evidence", "POST", "ben", { "content-type": "image/jpeg", ...headers });
      asked.on("error", () => {});
      asked.write(jpeg().subarray(0, 500));
      await until(async () => (await readdir(join(instance.home, "media", "incoming"))).length > 0);
      asked.destroy();
      await until(async () => (await readdir(join(instance.home, "media", "incoming"))).length === 0);
    }
    expect([await kept(), await head()]).toEqual(before);
    expect(instance.logged.filter((line) => line.includes("a request failed"))).toHaveLength(errors);
  });

  it("takes little memory, and little time", async () => {
    const size = 99_000_000;
    const start = mp4({ pictures: 0 });
    const mdat = box("mdat").subarray(0, 4);
    const opening = Buffer.concat([start.subarray(0, start.length - 8), Buffer.alloc(4), box("mdat").subarray(4)]);
    opening.writeUInt32BE(size + mdat.length + 4, opening.length - 8);
    const piece = Buffer.alloc(1_000_000, 3);
    const send = async (bytes: number, length: number) => {
      const first = Buffer.from(opening);
      first.writeUInt32BE(bytes + 8, first.length - 8);
      const asked = open("/evidence", "POST", "fay", { "content-type": "video/mp4", "content-length": length });
      const answer = answerTo(asked);
      const since = performance.now();
      let most = 0;
      asked.write(first);
      for (let sent = 0; sent < bytes; sent += piece.length) {
        if (!asked.write(piece.subarray(0, bytes - sent))) await once(asked, "drain");
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
      asked.end();
      return { answer: await answer, ms: performance.now() - since, most };
    };
    const before = process.memoryUsage().arrayBuffers;
    for (const bytes of [10_000_000, size]) {
      const { answer, ms, most } = await send(bytes, opening.length + bytes);
      expect(answer.body).toMatchObject({ mime: "video/mp4", bytes: opening.length + bytes });
      console.log(`${bytes / 1e6} MB taken in ${Math.round(ms)} ms, ${Math.round((most - before) / 1e6)} MB of buffers at most`);
      // What is garbage already is counted too.
      expect(most - before).toBeLessThan(60_000_000);
    }
  });
});

describe("what was uploaded", () => {
  const photo = jpeg({ width: 680 });
  let served: { sha256: string; bytes: number };
  let drawn: readonly string[];
  const path = `/evidence/${sha256(photo)}`;
  const nameOf = (memberId: string) => Object.keys(members).find((name) => members[name] === memberId)!;

  beforeAll(async () => {
    const { taskId } = await must("create-task", { title: "Paint the fence" });
    await must("publish-task", { taskId });
    await must("claim-task", { taskId }, "ben");
    const { contributionId } = await must("start-task", { taskId }, "ben");
    served = (await upload("ben", photo)).body.served;
    const given = { contributionId, kind: "photo", media: sha256(photo), claimedAt: new Date().toISOString() };
    await until(async () => (await instance.post("submit-evidence", given, { token: tokens["ben"]! })).status === 201);
    await must("report-complete", { contributionId }, "ben");
    drawn = await until(async () => {
      const rows = await instance.database.query<{ member_id: string; state: string }>(
        "select member_id, state from read.verifier where contribution_id = $1",
        [contributionId],
      );
      return rows.length > 0 && rows.map(({ member_id }) => nameOf(member_id));
    });
  });

  it("is shown to every member without what it tells of anybody", async () => {
    for (const name of ["ana", "ben", ...drawn]) {
      const { status, bytes, headers } = await get(path, name);
      expect([status, sha256(bytes), bytes.length]).toEqual([200, served.sha256, served.bytes]);
      expect(bytes.includes(canary)).toBe(false);
      expect(headers).toMatchObject({
        "content-type": "image/jpeg",
        "content-length": String(served.bytes),
        "cache-control": "private, no-store",
        "content-security-policy": "sandbox; default-src 'none'",
        "content-disposition": `inline; filename="${served.sha256.slice(0, 16)}"`,
        "x-content-type-options": "nosniff",
        "repr-digest": digest(bytes),
      });
    }
  });

  it("is shown as it was sent to its sender and to the verifiers who were drawn, and each look is noted", async () => {
    expect(drawn.length).toBeGreaterThanOrEqual(3);
    for (const name of ["ben", ...drawn]) {
      const { status, bytes } = await get(`${path}/original`, name);
      expect([status, sha256(bytes)], name).toEqual([200, sha256(photo)]);
      expect(bytes.includes(canary)).toBe(true);
      expect(
        instance.logged.some((line) => line.includes("an original of evidence") && line.includes(members[name]!)),
        name,
      ).toBe(true);
    }
    for (const name of Object.keys(tokens).filter((name) => name !== "ben" && !drawn.includes(name)))
      expect((await get(`${path}/original`, name)).body.code, name).toBe("FORBIDDEN");
  });

  it("is shown to nobody else", async () => {
    for (const each of [path, `${path}/original`]) {
      expect((await get(each)).body.code).toBe("UNAUTHENTICATED");
      expect((await get(each, "ida")).body.code).toBe("FORBIDDEN");
    }
    for (const name of [sha256(Buffer.from("nothing")), "..%2f..%2fkeys%2fmaster.key", "abc", served.sha256])
      expect((await get(`/evidence/${name}`, "ana")).body.code, name).toBe("NOT_FOUND");
    const track = gpx();
    expect((await upload("ben", track)).status).toBe(201);
    await instance.settled();
    // Of a track there is no copy without the places that make it one.
    expect((await get(`/evidence/${sha256(track)}`, "ana")).body.code).toBe("FORBIDDEN");
  });
});
