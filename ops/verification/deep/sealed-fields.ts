/**
 * Sealed fields, and the keys that open them: each key is what its id says, each field opens under it and is of its form, and a key that is
 * gone was declared destroyed by the log after the fields that it sealed.
 */
import type { Json, JsonObject } from "../../../domain/log/canonical-json.ts";
import type { Placed } from "../../../domain/log/event-log.ts";
import type { Entry } from "../../../domain/log/entry.ts";
import { isSealed, keyId, type SealedField, unseal } from "../../../domain/log/sealed.ts";
import { reasonOf } from "../../../domain/log/verify/examine.ts";
import { assertFormatField } from "../../../domain/log/verify/payload.ts";
import { declarationOf } from "../../../event-schemas/catalogue.ts";
import { isPersonal } from "../../../event-schemas/declare.ts";
import type { Query } from "../../../projections/database.ts";
import { cipher } from "../../crypto.ts";
import { unwrap } from "../../keys/secrets.ts";
import type { Fault, Faults } from "./faults.ts";

type KeyRow = { readonly key_id: string; readonly subject: string; readonly wrapped: Uint8Array | null };
type Key = { readonly subject: string; readonly state: "here" | "destroyed"; readonly bytes?: Uint8Array };
type Field = Pick<Placed, "entry" | "data"> & { readonly leaf: number; readonly field: string; readonly value: SealedField };
/** Fields sealed under a key that is not here. */
type Missing = { readonly first: Fault; readonly lastLeaf: number; readonly count: number };

const pageKeys = 2_000;
const cachedMax = 100_000;

export class SealedFields {
  opened = 0;
  /** Sealed under keys that are here but wrapped by a master key that is not. */
  unopened = 0;
  erased = 0;
  private readonly query: Query;
  private readonly master: Uint8Array | undefined;
  private readonly origin: string;
  private readonly faults: Faults;
  private readonly keys = new Map<string, Key | undefined>();
  private readonly missing = new Map<string, Missing>();
  /** Key → the leaf that declares it destroyed, the last where there are several. */
  private readonly declared = new Map<string, number>();

  constructor(query: Query, { origin, master, faults }: { origin: string; master: Uint8Array | undefined; faults: Faults }) {
    this.query = query;
    this.origin = origin;
    this.master = master;
    this.faults = faults;
  }

  async take(page: readonly Placed[]): Promise<void> {
    const fields = page.flatMap(({ leafIndex: leaf, entry, data }) =>
      Object.entries(data).flatMap(([field, value]) => (isSealed(value) ? [{ leaf, entry, data, field, value }] : [])),
    );
    await this.load(fields.map(({ value }) => value.key));
    for (const each of fields) this.open(each);
    for (const { leafIndex, entry, data } of page) {
      const { keys } = data;
      if (entry.type !== "SubjectKeyDestroyed" || !Array.isArray(keys)) continue;
      for (const key of keys) if (typeof key === "string") this.declared.set(key, leafIndex);
    }
  }

  /** Every key that there is, and what became of those that there are not. */
  async end(): Promise<void> {
    for (let after = ""; ;) {
      const rows = await this.query<KeyRow>(
        `select key_id, subject, wrapped from keys.subject_keys where key_id > $1 order by key_id limit ${pageKeys}`,
        [after],
      );
      for (const row of rows) this.judge(row);
      if (rows.length < pageKeys) break;
      after = rows.at(-1)!.key_id;
    }
    await this.judgeInstanceKey();
    for (const [key, { first, lastLeaf, count }] of this.missing) {
      const declaredAt = this.declared.get(key);
      if (declaredAt !== undefined && declaredAt > lastLeaf) this.erased += count;
      else
        this.faults.note({ ...first, reason: `${first.reason}${declaredAt === undefined ? "" : ` before leaf ${lastLeaf} was sealed`}` });
    }
  }

  private open({ leaf, entry, data, field, value }: Field): void {
    const part = field.startsWith(".") ? "authorization" : "payload";
    const place = { leaf, stream: entry.stream, type: entry.type, field, key: value.key } as const;
    const key = this.keys.get(value.key);
    if (!key || key.state === "destroyed") {
      const told = this.missing.get(value.key);
      const gone = key
        ? "its key was destroyed, and no entry says so"
        : "its key is not known here, and no entry says that it was destroyed";
      const first = told?.first ?? { part: "keys", kind: "withheld", ...place, reason: gone };
      this.missing.set(value.key, { first, lastLeaf: leaf, count: (told?.count ?? 0) + 1 });
      return;
    }
    const subjects = subjectsOf(field, entry, data);
    if (subjects && !subjects.includes(key.subject))
      this.faults.note({ part: "keys", kind: "tampered", ...place, reason: `the key is kept for ${key.subject}, whose field this is not` });
    if (!key.bytes) {
      if (!this.master) this.unopened++;
      return;
    }
    const opened = unseal(cipher, { key: key.bytes, value, log: this.origin, eventId: entry.id, field });
    const reason = opened.opened ? faultOfForm(field, opened.value) : `it cannot be opened: ${opened.reason}`;
    if (reason === undefined) this.opened++;
    else this.faults.note({ part, kind: "tampered", ...place, reason });
  }

  private judge({ key_id, wrapped, subject }: KeyRow): void {
    const place = { part: "keys", table: "subject_keys", key: key_id } as const;
    const declaredAt = this.declared.get(key_id);
    if (!wrapped) {
      // Where it sealed something, that is named; here are only those that sealed nothing.
      if (declaredAt === undefined && !this.missing.has(key_id))
        this.faults.note({ ...place, kind: "withheld", reason: `the key of ${subject} was destroyed, and no entry says so` });
      return;
    }
    if (declaredAt !== undefined)
      this.faults.note({ ...place, kind: "tampered", leaf: declaredAt, reason: "declared destroyed by this entry, but still here" });
    const reason = this.master && faultOfKey(this.master, key_id, wrapped);
    if (reason !== undefined) this.faults.note({ ...place, kind: "tampered", reason });
  }

  private async judgeInstanceKey(): Promise<void> {
    const [row] = await this.query<{ origin: string; wrapped: Uint8Array }>("select origin, wrapped from keys.instance");
    const note = (reason: string) => this.faults.note({ part: "keys", kind: "tampered", table: "instance", reason });
    if (!row) return note("there is no instance key");
    if (row.origin !== this.origin) return note(`it is the key of ${row.origin}`);
    if (this.master && !unwrapped(this.master, `instance key of ${this.origin}`, row.wrapped))
      note("the master key does not open the instance key");
  }

  private async load(ids: readonly string[]): Promise<void> {
    if (this.keys.size > cachedMax) this.keys.clear();
    const wanted = [...new Set(ids)].filter((id) => !this.keys.has(id));
    if (wanted.length === 0) return;
    const rows = await this.query<KeyRow>("select key_id, subject, wrapped from keys.subject_keys where key_id = any($1)", [wanted]);
    for (const id of wanted) this.keys.set(id, undefined);
    for (const { key_id, subject, wrapped } of rows) {
      const bytes = wrapped && this.master && unwrapped(this.master, `subject key ${key_id}`, wrapped);
      this.keys.set(key_id, { subject, state: wrapped ? "here" : "destroyed", ...(bytes && { bytes }) });
    }
  }
}

function faultOfKey(master: Uint8Array, id: string, wrapped: Uint8Array): string | undefined {
  const key = unwrapped(master, `subject key ${id}`, wrapped);
  if (!key) return "the master key does not open this key";
  return keyId(key) === id ? undefined : "the key is not the one that its id names";
}

function unwrapped(master: Uint8Array, purpose: string, wrapped: Uint8Array): Uint8Array | undefined {
  try {
    return unwrap(master, purpose, wrapped);
  } catch {
    return undefined;
  }
}

/** Whose key may seal this field; undefined where that cannot be told. */
function subjectsOf(field: string, { type, sv, by }: Entry, data: JsonObject): readonly string[] | undefined {
  if (field === ".auth") return [by];
  // What was asked is the actor's, or another subject's where the input holds something of theirs; that one is named in the event.
  if (field === ".command") return [by, ...Object.values(data).filter((value) => typeof value === "string")];
  const declaration = declarationOf(type);
  const fields = declaration?.version === sv ? declaration.fields : declaration?.earlier?.[sv]?.fields;
  const declared = fields && Object.hasOwn(fields, field) ? fields[field]! : undefined;
  if (!declared || !isPersonal(declared)) return undefined;
  const subject = data[declared.subject];
  return typeof subject === "string" ? [subject] : undefined;
}

function faultOfForm(field: string, value: Json): string | undefined {
  try {
    assertFormatField(field, value);
    return undefined;
  } catch (fault) {
    return `what it seals is not of its form: ${reasonOf(fault)}`;
  }
}
