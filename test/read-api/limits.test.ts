import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import pino from "pino";
import { startProjector } from "../../ops/processes/projector.ts";
import { logTree } from "../../projections/log-tree.ts";
import { voting } from "../../projections/voting/voting.ts";
import { limits } from "../../read-api/limits.ts";
import { ana, community, member, openRig, type Rig } from "./rig.ts";

let rig: Rig;
/** A test can make a lookup wait for ever. */
let hang = false;

beforeAll(async () => {
  rig = await openRig({
    part: (_, part) => part,
    // As long as a test waits for it, and no longer than it must.
    deadline: (ms) => AbortSignal.timeout(hang ? Math.min(ms, 50) : ms),
    ballotsOf: () => new Promise(() => {}),
  });
  await community(rig);
});
afterAll(() => rig?.close());
afterEach(() => void (hang = false));

const codeOf = async (query: string, variables?: object) => {
  const { errors, data, status } = await rig.ask(query, undefined, { ...(variables && { variables }) });
  expect(data).toBeUndefined();
  return `${status} ${errors![0].extensions.code}`;
};
const times = (n: number, text: (at: number) => string) => Array.from({ length: n }, (_, at) => text(at)).join(" ");
const member1 = `member(id: "${ana}")`;

describe("a query over a limit is refused with its code", () => {
  it("depth", async () => {
    const decision = (inner: string) => `{ decisionLog(first: 1) { nodes { proposal { proposer { roles { member { ${inner} } } } } } } }`;
    expect((await rig.ask(decision("roles { id }"))).errors).toBeUndefined();
    expect(await codeOf(decision("roles { member { id } }"))).toBe("200 TOO_DEEP");
    const inFragments = `{ ${member1} { ...a } } fragment a on Member { roles { member { roles { member { ...b } } } } } fragment b on Member { roles { member { roles { id } } } }`;
    expect(await codeOf(inFragments)).toBe("200 TOO_DEEP");
  });

  it("cost, also by variables, fragments and many small parts", async () => {
    const lists = (first: string) => `members(first: ${first}) { nodes { roles { id member { id } } } }`;
    expect((await rig.ask(`{ ${lists("20")} }`)).errors).toBeUndefined();
    expect(await codeOf(`{ ${lists("100")} }`)).toBe("200 TOO_COSTLY");
    expect(await codeOf(`query ($n: Int) { ${lists("$n")} }`, { n: 100 })).toBe("200 TOO_COSTLY");
    const doubling = times(30, (n) => `fragment f${n} on Member { ...f${n + 1} ...f${n + 1} }`);
    expect(await codeOf(`{ members { nodes { ...f0 } } } ${doubling} fragment f30 on Member { roles { id } }`)).toBe("200 TOO_COSTLY");
    expect(await codeOf(`{ ${times(5, (n) => `r${n}: recount(proposalId: "${ana}") { equal }`)} }`)).toBe("200 TOO_COSTLY");
  });

  it("aliases", async () => {
    expect(await codeOf(`{ ${member1} { ${times(16, (n) => `a${n}: id`)} } }`)).toBe("200 TOO_MANY_ALIASES");
    expect((await rig.ask(`{ ${member1} { ${times(15, (n) => `a${n}: id`)} } }`)).errors).toBeUndefined();
  });

  it("fields at the root", async () => {
    expect(await codeOf(`{ ${times(11, (n) => `a${n}: __typename`)} }`)).toBe("200 TOO_MANY_ROOT_FIELDS");
  });

  it("tokens", async () => {
    expect(await codeOf(`{ ${"__typename ".repeat(limits.tokens)} }`)).toBe("200 TOO_MANY_TOKENS");
  });

  it("bytes", async () => {
    const response = await fetch(`${rig.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ __typename }", variables: { a: "x".repeat(limits.bodyBytes) } }),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: "BODY_TOO_LARGE" });
  });

  it("several queries at once", async () => {
    const response = await fetch(`${rig.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '[{"query":"{ __typename }"}]',
    });
    expect(response.status).toBe(400);
    expect(((await response.json()) as any).errors[0].extensions.code).toBe("INVALID_QUERY");
  });

  it("time", async () => {
    hang = true;
    expect(await codeOf(`{ recount(proposalId: "${ana}") { equal } }`)).toBe("503 DEADLINE_PASSED");
  });
});

it("answers what tools ask the schema of itself", async () => {
  const { getIntrospectionQuery } = await import("graphql");
  expect((await rig.ask(getIntrospectionQuery())).errors).toBeUndefined();
});

describe("bad input", () => {
  it("is refused with the codes of commands", async () => {
    const code = async (query: string) => (await rig.ask(query)).errors![0].extensions.code;
    expect(await code('{ member(id: "x") { id } }')).toBe("INVALID_INPUT");
    expect(await code('{ member(id: "\\u0000") { id } }')).toBe("INVALID_INPUT");
    expect(await code("{ member { id } }")).toBe("INVALID_INPUT");
    expect(await code('{ proposals(tag: "\\u0000") { nodes { id } } }')).toBe("INVALID_INPUT");
    expect(await code("{ nothing }")).toBe("INVALID_QUERY");
    expect(await code("{")).toBe("INVALID_QUERY");
  });

  it("a token that is not valid is not taken for a guest", async () => {
    const { status, errors } = await rig.ask("{ __typename }", "forged");
    expect([status, errors![0].extensions.code]).toEqual([401, "UNAUTHENTICATED"]);
  });

  it("nothing of ours is told when something breaks", async () => {
    await rig.database.query("alter view read.handle rename to gone");
    const { errors } = await rig.ask('{ member(handle: "ana") { id } }', ana);
    await rig.database.query("alter view read.gone rename to handle");
    expect(errors![0]).toMatchObject({ extensions: { code: "BROKEN" }, message: expect.not.stringContaining("handle") });
    expect(rig.broken).toHaveLength(1);
  });
});

describe("X-Read-Position", () => {
  const read = (position: string, query = "{ members { nodes { id } } }") =>
    rig.ask(query, undefined, { headers: { "x-read-position": position } });

  it("waits until the rows behind the fields are there", async () => {
    const { position } = await rig.must(member(ana), "DraftProposal", { title: "One more" });
    expect((await read(position)).status).toBe(200);
    expect((await read(String(Number(position)))).data.members.nodes).toHaveLength(4);
    expect((await read("where")).errors![0].extensions.code).toBe("INVALID_HEADER");
  });

  it("answers 503, and names a projection that stopped, for its fields only", async () => {
    await rig.projector.stop();
    await rig.database.query("update rows.checkpoint set status = 'stopped', reason = 'spoilt' where projection = 'membership'");
    // The others go on without it.
    const others = startProjector({ ...rig, projections: [logTree, voting], logger: pino({ level: "silent" }) });
    const drafted = await fetch(`${rig.url}/commands/draft-proposal`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${ana}` },
      body: JSON.stringify({ title: "Unseen by members" }),
    });
    const { position } = (await drafted.json()) as { position: string };
    const { status, errors, headers } = await read(position);
    const { data } = await read(position, "{ proposals { nodes { title } } }");
    await others.stop();
    expect([status, errors![0].extensions.code]).toEqual([503, "BEHIND"]);
    expect(errors![0].message).toMatch(/projection membership .*spoilt/);
    expect(headers.get("retry-after")).toBe("1");
    expect(data.proposals.nodes.at(-1)).toEqual({ title: "Unseen by members" });
  }, 20_000);
});
