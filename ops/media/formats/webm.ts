/** WebM: Matroska (RFC 9559) on EBML (RFC 8794). */
import type { Edit, Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";

type Element = { readonly id: number; readonly at: number; readonly body: number; readonly end: number; readonly open: boolean };

const ids = { segment: 0x18538067, info: 0x1549a966, tracks: 0x1654ae6b, tags: 0x1254c367, attachments: 0x1941a469, cluster: 0x1f43b675 };
const inSegment = { scale: 0x2ad7b1, duration: 0x4489, title: 0x7ba9, muxer: 0x4d80, writer: 0x5741, date: 0x4461 };
const inTrack = { entry: 0xae, video: 0xe0, width: 0xb0, height: 0xba, name: 0x536e };
const elementsMax = 20_000;
/** EBML's own clock begins with this millennium. */
const millennium = Date.UTC(2001, 0, 1);

async function elementAt(source: Source, at: number, until: number): Promise<Element> {
  const head = await source.read(at, Math.min(12, until - at));
  const idLength = Math.clz32(head[0]! || 0) - 23;
  if (head[0] === 0 || idLength > 4 || idLength >= head.length) throw broken("the video's elements are broken");
  const first = head[idLength]!;
  const sizeLength = Math.clz32(first) - 23;
  if (first === 0 || idLength + sizeLength > head.length) throw broken("the video's elements are broken");
  let size = first & ((1 << (8 - sizeLength)) - 1);
  let unknown = size === (1 << (8 - sizeLength)) - 1;
  for (let n = 1; n < sizeLength; n++) {
    const byte = head[idLength + n]!;
    unknown &&= byte === 0xff;
    size = size * 256 + byte;
  }
  const body = at + idLength + sizeLength;
  // A live recording does not know how long it will be.
  const end = unknown ? until : body + size;
  if (end > until) throw truncated("the video");
  return { id: head.readUIntBE(0, idLength), at, body, end, open: unknown };
}

async function elementsIn(source: Source, from: number, until: number, stop?: number): Promise<Element[]> {
  const elements: Element[] = [];
  for (let at = from; at < until;) {
    const element = await elementAt(source, at, until);
    elements.push(element);
    if (elements.length > elementsMax) throw broken("the video has too many elements");
    if (element.open && element.id === stop) break;
    at = element.end;
  }
  return elements;
}

const uint = async (source: Source, { body, end }: Element) =>
  end - body > 0 && end - body <= 6 ? (await source.read(body, end - body)).readUIntBE(0, end - body) : 0;
const float = async (source: Source, { body, end }: Element) => {
  const bytes = await source.read(body, end - body);
  return bytes.length === 8 ? bytes.readDoubleBE(0) : bytes.length === 4 ? bytes.readFloatBE(0) : Number.NaN;
};
/** An element turns into void (EC) of the same length: its size field is made to fill the rest of its head. */
function voided({ at, end }: Element): Edit {
  const length = end - at;
  const sizeBytes = length < 9 ? 1 : 8;
  const size = length - 1 - sizeBytes;
  const put = Buffer.alloc(1 + sizeBytes);
  put[0] = 0xec;
  if (sizeBytes === 1) put[1] = 0x80 | size;
  else put.writeBigUInt64BE(0x0100000000000000n | BigInt(size), 1);
  return { at, length, put, zeros: size };
}

export async function examineWebm(source: Source): Promise<Examined> {
  const header = await elementAt(source, 0, source.size);
  const segment = await elementAt(source, header.end, source.size);
  if (segment.id !== ids.segment) throw broken("the video has no segment");
  const parts = await elementsIn(source, segment.body, segment.end, ids.cluster);
  if (!parts.some(({ id }) => id === ids.cluster)) throw truncated("the video");
  const edits: Edit[] = parts.filter(({ id }) => id === ids.tags || id === ids.attachments).map(voided);
  let found: Partial<Examined> = {};
  for (const part of parts) {
    if (part.id === ids.info) found = { ...found, ...(await infoOf(source, part, edits)) };
    if (part.id === ids.tracks) found = { ...found, ...(await frameOf(source, part, edits)) };
  }
  return { ...found, credentials: false, edits: edits.sort((a, b) => a.at - b.at) };
}

async function infoOf(source: Source, info: Element, edits: Edit[]): Promise<Partial<Examined>> {
  let scale = 1_000_000;
  let duration: number | undefined;
  let madeAt: string | undefined;
  for (const element of await elementsIn(source, info.body, info.end)) {
    if (element.id === inSegment.scale) scale = await uint(source, element);
    if (element.id === inSegment.duration) duration = await float(source, element);
    if (element.id === inSegment.date && element.end - element.body === 8) {
      const ms = millennium + Number((await source.read(element.body, 8)).readBigInt64BE(0) / 1_000_000n);
      if (ms > 0 && ms < 4_102_444_800_000) madeAt = new Date(ms).toISOString();
    }
    if (element.id === inSegment.title) edits.push(voided(element));
  }
  const durationMs = duration === undefined ? undefined : Math.round((duration * scale) / 1_000_000);
  return { ...(durationMs !== undefined && Number.isSafeInteger(durationMs) && { durationMs }), ...(madeAt !== undefined && { madeAt }) };
}

async function frameOf(source: Source, tracks: Element, edits: Edit[]): Promise<Partial<Examined>> {
  let frame = {};
  for (const track of await elementsIn(source, tracks.body, tracks.end)) {
    if (track.id !== inTrack.entry) continue;
    for (const part of await elementsIn(source, track.body, track.end)) {
      if (part.id === inTrack.name) edits.push(voided(part));
      if (part.id !== inTrack.video) continue;
      const sizes = await elementsIn(source, part.body, part.end);
      const [width, height] = [sizes.find(({ id }) => id === inTrack.width), sizes.find(({ id }) => id === inTrack.height)];
      if (width && height) frame = { width: await uint(source, width), height: await uint(source, height) };
    }
  }
  return frame;
}
