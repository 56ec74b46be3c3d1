/** What uploads are handed by an instance. */
import { join } from "node:path";
import type { UploadRoutes } from "../../commands/upload.ts";
import { mayAct, membership, roles } from "../../domain/membership.ts";
import { problem } from "../../domain/problem.ts";
import { commands } from "../commands.ts";
import type { Config } from "../config.ts";
import type { Instance } from "../instance.ts";
import { bytesMaxOfAll } from "../media/formats.ts";
import { receive } from "../media/receive.ts";
import { bucketStore } from "../media/s3.ts";
import { Unsupported } from "../media/source.ts";
import { directoryStore, type MediaStore, openIncoming } from "../media/store.ts";

export type Media = { readonly store: MediaStore; readonly incoming: string };

/** A folder of the home, or the bucket that is configured. */
export async function openMedia({ home, mediaBucket }: Pick<Config, "home" | "mediaBucket">): Promise<Media> {
  const incoming = await openIncoming(join(home, "media", "incoming"));
  return { incoming, store: mediaBucket ? bucketStore(mediaBucket) : directoryStore(join(home, "media", "files")) };
}

export function uploadsOf({ handler, identity, ambient }: Instance, media: Media): UploadRoutes {
  return {
    command: commands.find(({ name }) => name === "StoreMedia")!,
    handler,
    identify: identity.identify,
    async forbids(memberId) {
      const [{ state: standing }, { state: grants }] = await Promise.all([
        handler.states.get(membership, memberId),
        handler.states.get(roles, ""),
      ]);
      const against = mayAct("member", { roles: grants, membership: standing }, memberId, ambient.now());
      return against && problem(against.code, against.detail);
    },
    async receive(stream, claimed) {
      try {
        return (await receive(media, stream, claimed)) as never;
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        return { code: error.code, detail: error.message, figures: error.figures };
      }
    },
    bytesMax: bytesMaxOfAll,
    elapsed: () => performance.now(),
    watch(stream, ms) {
      const silent = () => stream.destroy(new Error("the sender fell silent"));
      let timer = setTimeout(silent, ms);
      return {
        heard() {
          clearTimeout(timer);
          timer = setTimeout(silent, ms);
        },
        end: () => clearTimeout(timer),
      };
    },
  };
}
