/** Evidence in an S3-compatible bucket: written and read through presigned urls (AWS Signature Version 4), so that bytes need not pass through us. */
import { AwsClient } from "aws4fetch";
import { createReadStream } from "node:fs";
import { stat, unlink } from "node:fs/promises";
import { request } from "undici";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { MediaStore } from "./store.ts";

export type Bucket = {
  /** `https://s3.example.org/bucket` */
  readonly url: string;
  readonly region: string;
  readonly keyId: string;
  readonly secret: string;
};

const putSeconds = 300;
const getSeconds = 900;

export function bucketStore({ url, region, keyId, secret }: Bucket): MediaStore {
  const aws = new AwsClient({ accessKeyId: keyId, secretAccessKey: secret, region, service: "s3" });
  const presigned = async (method: "PUT" | "GET" | "HEAD", sha256: string, seconds: number) => {
    const object = new URL(`${url}/${sha256.slice(0, 2)}/${sha256}`);
    object.searchParams.set("X-Amz-Expires", String(seconds));
    return (await aws.sign(object.href, { method, aws: { signQuery: true } })).url;
  };
  const has = async (sha256: string): Promise<boolean> => {
    const { statusCode, body } = await request(await presigned("HEAD", sha256, putSeconds), { method: "HEAD" }).catch(down);
    await body.dump();
    if (statusCode !== 200 && statusCode !== 404) throw new Unavailable(`the bucket answers ${statusCode}`, "nothing-happened");
    return statusCode === 200;
  };
  return {
    async keep(sha256, path) {
      if (!(await has(sha256))) {
        const { size } = await stat(path);
        const { statusCode, body } = await request(await presigned("PUT", sha256, putSeconds), {
          method: "PUT",
          headers: { "content-length": String(size) },
          body: createReadStream(path),
        }).catch(down);
        await body.dump();
        if (statusCode !== 200) throw new Unavailable(`the bucket answers ${statusCode}`, "nothing-happened");
      }
      await unlink(path);
    },
    find: async (sha256) => ((await has(sha256)) ? { url: await presigned("GET", sha256, getSeconds) } : undefined),
  };
}

const down = (error: Error): never => {
  throw new Unavailable(`the bucket cannot be reached: ${error.message}`, "nothing-happened");
};
