import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditServer } from "graphql-http";
import { community, openRig, type Rig } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
  await community(rig);
});
afterAll(() => rig?.close());

it("passes every audit of GraphQL over HTTP", async () => {
  const audits = await auditServer({ url: `${rig.url}/graphql`, fetchFn: fetch });
  expect(audits.filter(({ status }) => status !== "ok")).toEqual([]);
  expect(audits).toHaveLength(61);
});

describe("members", () => {
  it("are listed for guests without their names", async () => {
    const { data, errors } = await rig.ask("{ members { nodes { id status displayName handle roles { role } } } }");
    expect(errors).toBeUndefined();
    expect(data).toMatchInlineSnapshot(`
      {
        "members": {
          "nodes": [
            {
              "displayName": null,
              "handle": null,
              "id": "00000000-0000-4000-8000-000000000001",
              "roles": [
                {
                  "role": "admin",
                },
              ],
              "status": "active",
            },
            {
              "displayName": null,
              "handle": null,
              "id": "00000000-0000-4000-8000-000000000002",
              "roles": [
                {
                  "role": "officer",
                },
              ],
              "status": "active",
            },
            {
              "displayName": null,
              "handle": null,
              "id": "00000000-0000-4000-8000-000000000003",
              "roles": [],
              "status": "active",
            },
            {
              "displayName": null,
              "handle": null,
              "id": "00000000-0000-4000-8000-000000000004",
              "roles": [],
              "status": "left",
            },
          ],
        },
      }
    `);
  });
});
