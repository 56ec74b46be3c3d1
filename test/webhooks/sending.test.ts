import { lookup } from "node:dns";
import { afterEach, describe, expect, test } from "vitest";
import { reach } from "../../ops/sending/addresses.ts";
import { openSender, type Sender, type SenderOptions } from "../../ops/sending/send.ts";
import { selfSigned } from "../../ops/markov/certificate.ts";
import { answer, drip, flood, ok, type Receiver, receiver } from "./hostile.ts";

const loopback = reach(["127.0.0.0/8"]);
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const sender = (options: Partial<SenderOptions> = {}): Sender => {
  const opened = openSender({ reach: loopback, connectionsMax: 4, ...options });
  closers.push(opened.close);
  return opened;
};
const standing = async (react: Parameters<typeof receiver>[0], tls?: Parameters<typeof receiver>[1]): Promise<Receiver> => {
  const opened = await receiver(react, tls);
  closers.push(opened.close);
  return opened;
};
const body = Buffer.from('{"a":1}');
const post = ({ send }: Sender, url: string, deadlineMs = 1_000) =>
  send({ method: "POST", url, headers: { "content-type": "application/json" }, body, deadlineMs });
const told = async (react: Parameters<typeof receiver>[0], deadlineMs = 300) => {
  const { port } = await standing(react);
  return (await post(sender(), `http://127.0.0.1:${port}/hook`, deadlineMs)).answered;
};

describe("a receiver that", () => {
  test("answers is heard: status, headers, body", async () => {
    const answered = await told((socket) => socket.write(answer("202 Accepted", "x-a: 1\r\n", '{"processed":1}')));
    expect(answered).toMatchObject({ kind: "answered", status: 202, headers: { "x-a": "1" }, truncated: false });
    expect(Buffer.from((answered as { head: Uint8Array }).head).toString()).toBe('{"processed":1}');
  });

  test.each<[string, Parameters<typeof receiver>[0]]>([
    ["says nothing", () => {}],
    ["drips its headers", (socket) => (socket.write("HTTP/1.1 200 OK\r\nx-a: "), drip(socket, "a", 20))],
    ["drips informational answers", (socket) => drip(socket, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 100)],
  ])("%s is given up at the deadline", async (_, react) => {
    expect(await told(react)).toMatchObject({ kind: "failed", name: "timeout", class: "network" });
  });

  test("floods with informational answers is cut off by their number", async () => {
    const answered = await told((socket) => drip(socket, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 1), 20_000);
    expect(answered).toMatchObject({ kind: "failed", name: "protocol", class: "endpoint" });
  });

  test("drips its body has answered: the head decides", async () => {
    const answered = await told((socket) => (socket.write(`${ok}content-length: 100000\r\n\r\n`), drip(socket, "a", 20)));
    expect(answered).toMatchObject({ kind: "answered", status: 200, truncated: true });
  });

  test("sends 200 MB is read up to a cap", async () => {
    let sent = { written: () => 0 };
    const answered = await told((socket) => {
      socket.write(`${ok}content-length: 209715200\r\n\r\n`);
      sent = flood(socket, 209_715_200);
    }, 10_000);
    expect(answered).toMatchObject({ kind: "answered", status: 200, truncated: true });
    expect((answered as { head: Uint8Array }).head.length).toBe(1024);
    expect(sent.written()).toBeLessThan(20_000_000);
  });

  test("redirects is not followed", async () => {
    const victim = await standing((socket) => socket.write(answer("200 OK")));
    const answered = await told((socket) =>
      socket.write(answer("307 Temporary Redirect", `location: http://127.0.0.1:${victim.port}/\r\n`)),
    );
    expect(answered).toMatchObject({ kind: "answered", status: 307, headers: { location: `http://127.0.0.1:${victim.port}/` } });
    expect(victim.connections()).toBe(0);
  });

  test("breaks off before any byte is a fault of the network", async () => {
    expect(await told((socket) => void socket.resetAndDestroy())).toMatchObject({ kind: "failed", name: "reset", class: "network" });
    expect(await told((socket) => void socket.end())).toMatchObject({ kind: "failed", name: "reset", class: "network" });
  });

  test("breaks off after its head has answered", async () => {
    const answered = await told((socket) => {
      socket.write(`${ok}content-length: 1000\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 20));
    });
    expect(answered).toMatchObject({ kind: "answered", status: 200, truncated: true });
  });

  test.each<[string, string]>([
    ["speaks no HTTP", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["gives two lengths", `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["sends 20 kB of headers", `${ok}x-big: ${"a".repeat(20_000)}\r\ncontent-length: 0\r\n\r\n`],
  ])("%s is at fault itself, and its socket is never used again", async (_, said) => {
    const { port, connections } = await standing((socket) => socket.write(said));
    const speaker = sender();
    for (const times of [1, 2]) {
      const { answered } = await post(speaker, `http://127.0.0.1:${port}/`);
      expect(answered).toMatchObject({ kind: "failed", name: "protocol", class: "endpoint" });
      expect(connections()).toBe(times);
    }
  });

  test("refuses connections is a fault of the network", async () => {
    const { port, close } = await receiver(() => {});
    await close();
    expect((await post(sender(), `http://127.0.0.1:${port}/`)).answered).toMatchObject({ name: "refused", class: "network" });
  });

  test("closes an idle socket is told apart: the socket had served before", async () => {
    const { port } = await standing((socket, request) => {
      if (request.includes("/second")) socket.resetAndDestroy();
      else socket.write(answer("200 OK"));
    });
    const speaker = sender({ connectionsMax: 1 });
    expect(await post(speaker, `http://127.0.0.1:${port}/first`)).toMatchObject({ reused: false, remote: "127.0.0.1" });
    expect(await post(speaker, `http://127.0.0.1:${port}/second`)).toMatchObject({ reused: true, answered: { name: "reset" } });
  });

  test("sends its answer compressed is asked not to, and nothing is unpacked", async () => {
    let asked = "";
    await told((socket, request) => ((asked = request.toString()), socket.write(answer("200 OK", "content-encoding: gzip\r\n", "bomb"))));
    expect(asked.toLowerCase()).toContain("accept-encoding: identity");
  });
});

describe("TLS", () => {
  const own = selfSigned();
  const speak = async (tls: Parameters<typeof receiver>[1], options: Partial<SenderOptions> = {}) => {
    const { port } = await standing((socket) => socket.write(answer("200 OK")), tls);
    return (await post(sender(options), `https://localhost:${port}/`)).answered;
  };
  test("a certificate that nobody vouches for", async () => {
    expect(await speak(own)).toMatchObject({ kind: "failed", name: "tls", class: "endpoint", detail: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  });
  test("a certificate that the operator trusts", async () => {
    expect(await speak(own, { ca: own.cert })).toMatchObject({ kind: "answered", status: 200 });
  });
  test("a server that speaks TLS 1.1 at most", async () => {
    const old = { ...own, minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
    expect(await speak(old, { ca: own.cert })).toMatchObject({ kind: "failed", name: "tls", class: "endpoint" });
  });
  test("a server that speaks no TLS", async () => {
    const { port } = await standing((socket) => socket.write(answer("200 OK")));
    expect((await post(sender(), `https://localhost:${port}/`)).answered).toMatchObject({ name: "tls", class: "endpoint" });
  });
});

describe("addresses that may not be reached", () => {
  const strict = () => sender({ reach: reach([]) });
  const spellings = (port: number) =>
    [
      "127.0.0.1",
      "0x7f000001",
      "2130706433",
      "0177.0.0.1",
      "127.1",
      "[::ffff:127.0.0.1]",
      "[::1]",
      "0.0.0.0",
      "[::]",
      "１２７.０.０.１",
    ].map((host) => `http://${host}:${port}/`);
  test("in every spelling, and by name", async () => {
    const { port, connections } = await standing((socket) => socket.write(answer("200 OK")));
    for (const url of [...spellings(port), `http://localhost:${port}/`])
      expect((await post(strict(), url)).answered, url).toMatchObject({ kind: "failed", name: "forbidden-address" });
    // Not every resolver knows this form; none may lead it home.
    expect((await post(strict(), `http://localhost.:${port}/`)).answered).toMatchObject({ kind: "failed" });
    expect(connections()).toBe(0);
  });
  test("a name that changes its address between the look-up and the next (rebinding)", async () => {
    const { port, connections } = await standing((socket) => socket.write(answer("200 OK")));
    let asked = 0;
    const resolve = ((_: string, __: object, done: (error: null, addresses: object[]) => void) =>
      done(null, [{ address: asked++ === 0 ? "93.184.215.14" : "127.0.0.1", family: 4 }])) as unknown as typeof lookup;
    const speaker = sender({ reach: reach([]), resolve });
    // Nobody answers at the first address in time; the second is refused however the name came by it.
    await post(speaker, `http://rebinding.example:${port}/`, 100);
    expect((await post(speaker, `http://rebinding.example:${port}/`)).answered).toMatchObject({ name: "forbidden-address" });
    expect(connections()).toBe(0);
  });
  test("a name with one address of each kind reaches the free one only", async () => {
    const resolve = ((_: string, __: object, done: (error: null, addresses: object[]) => void) =>
      done(null, [
        { address: "10.0.0.1", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ])) as unknown as typeof lookup;
    const { port } = await standing((socket) => socket.write(answer("200 OK")));
    const sent = await post(sender({ resolve }), `http://both.example:${port}/`);
    expect(sent).toMatchObject({ remote: "127.0.0.1", answered: { kind: "answered" } });
  });
  test("urls with a user, and other schemes", async () => {
    for (const url of ["https://ana:secret@example.org/", "ftp://example.org/", "file:///etc/passwd", "not a url"])
      expect((await post(strict(), url)).answered, url).toMatchObject({ kind: "failed", name: "forbidden-address" });
  });
  test("every special-purpose range, at its edges", () => {
    const { of } = reach([]);
    const forbidden = ["10.255.255.255", "100.64.0.1", "169.254.169.254", "172.31.255.255", "192.168.0.1", "198.19.255.255", "224.0.0.1"];
    const more = [
      "255.255.255.255",
      "fd00::1",
      "fe80::1%eth0",
      "64:ff9b::a00:1",
      "2002:7f00:1::",
      "::ffff:a00:1",
      "::127.0.0.1",
      "nonsense",
    ];
    for (const address of [...forbidden, ...more]) expect(of(address), address).toBe("forbidden");
    for (const address of ["9.255.255.255", "11.0.0.0", "172.32.0.0", "100.128.0.0", "2606:4700::1111", "::ffff:8.8.8.8"])
      expect(of(address), address).toBe("public");
    expect(reach(["10.0.0.0/8"]).of("10.1.2.3")).toBe("allowed");
    expect(() => reach(["10.0.0.0"])).toThrow("10.0.0.0 is not a network");
  });
});
