import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { found } from "../ops/founding.ts";
import { importConsultation, ImportRefused } from "../ops/imports/asking.ts";
import { handleOf, readConsultation, statementsOf, votesOf } from "../ops/imports/consultation.ts";
import { readCsv } from "../ops/imports/csv.ts";
import { openTestInstance, type TestInstance } from "./support/instance.ts";

const seattle = join(import.meta.dirname, "../../shared/data/polis-seattle");
const withSeattle = existsSync(seattle);
if (!withSeattle) console.warn(`not run: the consultation of Seattle is not there (${seattle})`);

const comments = `timestamp,comment-id,comment-body
1,0,"Dig a second well,
near the ""old"" oak"
2,7,${"Very long words ".repeat(20)}
3,x9,
`;
const votes = `timestamp,datetime,comment-id,voter-id,vote
1400000003000,later,0,a,1
1400000001000,first,0,a,-1
1400000001000,"equal, but later in the file",0,a,0
1400000001500,x,0,B b,1
1400000002000,x,7,a,1
`;

describe("comma-separated values", () => {
  const rows = (text: string) => readCsv("f.csv", text, ["a", "b"]).map(({ line, a, b }) => [line, a, b]);

  it("are read with commas, quotes and line breaks in quotes, whatever ends a line", () => {
    expect(rows('b,a\r\n1,"x, ""y""\nz"\r\n\r\n2,\r\n3,w')).toEqual([
      [2, 'x, "y"\nz', "1"],
      [5, "", "2"],
      [6, "w", "3"],
    ]);
    expect(rows("\uFEFFa,b\n")).toEqual([]);
    expect(rows('a,b\n"",')).toEqual([[2, "", ""]]);
  });

  it.each([
    ["", "f.csv line 1: the file is empty"],
    ["a,c\n1,2", "f.csv line 1: there is no column b"],
    ["a,b,a\n1,2,3", "f.csv line 1: the column a is there twice"],
    ["a,b\n1,2\n1", "f.csv line 3: the row has 1 fields, the header 2"],
    ['a,b\n1,"2\n\n3', "f.csv line 2: a quote is never closed"],
    ['a,b\n"1\n2"x,3', "f.csv line 2: something stands between a closing quote and the comma"],
    ['a,b\n1,2"', "f.csv line 2: a field that is not quoted holds a quote or a lone carriage return"],
  ])("are refused with file and line: %j", (text, says) => expect(() => rows(text)).toThrow(says));
});

describe("a consultation's files", () => {
  it("become statements with titles, and votes in order of time", () => {
    const statements = statementsOf(comments);
    expect(statements.map(({ title }) => title)).toMatchObject([
      "Dig a second well,",
      expect.stringMatching(/^Very long .* words…$|…$/),
      "Statement x9",
    ]);
    expect([...statements[1]!.title].length).toBeLessThanOrEqual(200);
    expect(statements[0]!.body).toBe('Dig a second well,\nnear the "old" oak');
    const read = votesOf(votes, new Set(["0", "7", "x9"]));
    expect(read.map(({ line, choice }) => [line, choice])).toEqual([
      [3, "disagree"],
      [4, "pass"],
      [5, "agree"],
      [6, "agree"],
      [2, "agree"],
    ]);
    expect(read.map(({ nth }) => nth)).toEqual([0, 1, 0, 0, 0]);
    expect(read[0]!.at).toBe("2014-05-13T16:53:21.000Z");
    expect(handleOf("polis-x", "17")).toBe("polis-x-17");
    expect(handleOf("polis-x", "B b")).toMatch(/^polis-x-[0-9a-f]{24}$/);
  });

  const header = "timestamp,comment-id,voter-id,vote\n";
  it.each([
    [`${header}1,0,a,2`, 'votes.csv line 2: "2" is no vote: 1 agree, -1 disagree, 0 pass'],
    [`${header}1,0,a,1\n1,9,a,1`, "votes.csv line 3: there is no comment 9"],
    [`${header}soon,0,a,1`, 'votes.csv line 2: "soon" is no timestamp in milliseconds'],
    [`${header}999999999999999,0,a,1`, 'votes.csv line 2: "999999999999999" is no timestamp in milliseconds'],
    [`${header}1,0,,1`, "votes.csv line 2: the voter-id is empty"],
    ["timestamp,comment-id,vote\n1,0,1", "votes.csv line 1: there is no column voter-id"],
  ])("are refused with file and line: %j", (text, says) => expect(() => votesOf(text, new Set(["0"]))).toThrow(says));

  it("are refused when a comment stands twice, or there is no file", async () => {
    expect(() => statementsOf("comment-id,comment-body\n1,a\n1,b")).toThrow("comments.csv line 3: the comment 1 stands on line 2 already");
    await expect(readConsultation("/nowhere/at-all")).rejects.toThrow("comments.csv line 1: there is no such file");
  });
});

describe("an import", () => {
  let instance: TestInstance;
  beforeEach(async () => {
    instance = await openTestInstance();
    await found(instance, "The Well", "ana");
  });
  afterEach(() => instance.close());

  async function madeUp() {
    const directory = join(instance.home, "Polis Well");
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "comments.csv"), comments);
    await writeFile(join(directory, "votes.csv"), votes);
    return directory;
  }

  async function totals(system: string) {
    await instance.settled();
    const rows = await instance.database.query<{ id: string; counts: string }>(
      `select source_id as id, counts from read.proposal join read.ballot_count using (proposal_id)
       where until is null and source_system = $1`,
      [system],
    );
    return new Map(
      rows.map(({ id, counts }) => {
        const of = JSON.parse(counts) as Record<string, [number, number]>;
        return [id, { agree: of["agree"]?.[0] ?? 0, disagree: of["disagree"]?.[0] ?? 0, pass: of["pass"]?.[0] ?? 0 }];
      }),
    );
  }
  const size = async () => (await instance.log.head())!.size!;

  it("counts each voter's latest vote, and appends nothing when it is repeated", async () => {
    const consultation = await readConsultation(await madeUp());
    expect(await importConsultation(instance, consultation)).toMatchObject({
      system: "polis-well",
      members: 2,
      proposals: 3,
      cast: 3,
      revised: 2,
      newEvents: 18,
    });
    const after = await size();
    expect(await totals("polis-well")).toEqual(
      new Map([
        ["0", { agree: 2, disagree: 0, pass: 0 }],
        ["7", { agree: 1, disagree: 0, pass: 0 }],
        ["x9", { agree: 0, disagree: 0, pass: 0 }],
      ]),
    );
    const [ballot] = await instance.database.query("select claimed_at from read.ballot where until is null and events = 3");
    expect(ballot).toEqual({ claimed_at: "2014-05-13T16:53:23.000Z" });
    expect(await importConsultation(instance, consultation)).toMatchObject({ cast: 3, revised: 2, newEvents: 0 });
    expect(await size()).toBe(after);
  });

  it("goes on as whoever began it, takes what was added, and says what was changed", async () => {
    const directory = await madeUp();
    const consultation = await readConsultation(directory);
    await importConsultation(instance, { ...consultation, votes: consultation.votes.slice(0, 2) });
    const [ben] = await instance.database.query<{ member_id: string }>(
      "select member_id from read.member where until is null order by leaf_index desc",
    );
    await expect(importConsultation(instance, consultation, { as: ben!.member_id })).rejects.toThrow(ImportRefused);
    expect(await importConsultation(instance, consultation, { as: "ana", close: true })).toMatchObject({ newEvents: 6, closed: 3 });
    await writeFile(join(directory, "votes.csv"), votes.replace("0,a,-1", "0,a,1"));
    await expect(readConsultation(directory).then((changed) => importConsultation(instance, changed))).rejects.toThrow(
      "votes.csv line 3: an earlier import read something else here",
    );
  });

  it.skipIf(!withSeattle)("of Seattle gives the 54 results that were counted independently, twice", async () => {
    const consultation = await readConsultation(seattle);
    const { perComment } = JSON.parse(readFileSync(join(seattle, "expected-latest-per-voter.json"), "utf8")) as {
      perComment: { comment: string; agree: number; disagree: number; pass: number }[];
    };
    const expected = new Map(perComment.map(({ comment, agree, disagree, pass }) => [comment, { agree, disagree, pass }]));
    expect(expected.size).toBe(54);
    expect(await importConsultation(instance, consultation)).toMatchObject({ members: 339, proposals: 54, cast: 2_872, revised: 123 });
    expect(await totals("polis-seattle")).toEqual(expected);
    const counted = await instance.database.query(
      "select type, count(*) as n from read.log_entry where type ~ '^Ballot' group by type order by type",
    );
    expect(counted).toEqual([
      { type: "BallotCast", n: 2_872 },
      { type: "BallotRevised", n: 123 },
    ]);
    const after = await size();
    expect(await importConsultation(instance, consultation)).toMatchObject({ newEvents: 0 });
    expect(await size()).toBe(after);
    expect(await totals("polis-seattle")).toEqual(expected);
  });
});
