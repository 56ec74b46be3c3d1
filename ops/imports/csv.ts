/** Comma-separated values as RFC 4180 has them: quoted fields may hold commas, quotes and line breaks. Lines may end in LF or CRLF. */

/** Input that cannot be taken as it is: names the file and the line, counted from 1. */
export class BadInput extends Error {
  constructor(file: string, line: number, what: string) {
    super(`${file} line ${line}: ${what}`);
  }
}

/** A row by the names of its header, and the line of the file where it begins. */
export type CsvRow<Column extends string> = { readonly line: number } & Readonly<Record<Column, string>>;

/** The rows of a file that has at least these columns, in any order. Throws `BadInput`. */
export function readCsv<Column extends string>(file: string, text: string, columns: readonly Column[]): readonly CsvRow<Column>[] {
  const [header, ...records] = recordsOf(file, text.replace(/^\uFEFF/, ""));
  if (!header) throw new BadInput(file, 1, "the file is empty");
  const missing = columns.filter((column) => !header.fields.includes(column));
  if (missing.length > 0) throw new BadInput(file, header.line, `there is no column ${missing.join(", ")}`);
  const twice = columns.find((column) => header.fields.indexOf(column) !== header.fields.lastIndexOf(column));
  if (twice !== undefined) throw new BadInput(file, header.line, `the column ${twice} is there twice`);
  return records.map(({ line, fields }) => {
    if (fields.length !== header.fields.length)
      throw new BadInput(file, line, `the row has ${fields.length} fields, the header ${header.fields.length}`);
    const named = columns.map((column) => [column, fields[header.fields.indexOf(column)]!] as const);
    return { ...(Object.fromEntries(named) as Record<Column, string>), line } as CsvRow<Column>;
  });
}

type RawRecord = { readonly line: number; readonly fields: readonly string[] };

/** A field with what ends it: quoted, with quotes in it doubled, or bare. */
const fieldForm = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|$)/y;

function recordsOf(file: string, text: string): RawRecord[] {
  const records: RawRecord[] = [];
  let line = 1;
  let fields: string[] = [];
  let begins = line;
  fieldForm.lastIndex = 0;
  while (fieldForm.lastIndex < text.length || fields.length > 0) {
    const at = fieldForm.lastIndex;
    const found = fieldForm.exec(text);
    if (!found) throw new BadInput(file, line, whyNoField(text, at));
    const [whole, quotedField, bare, end] = found;
    fields.push(quotedField?.replaceAll('""', '"') ?? bare!);
    line += whole.split("\n").length - 1;
    if (end === ",") continue;
    // A line with nothing on it is no row.
    if (fields.length > 1 || quotedField !== undefined || bare !== "") records.push({ line: begins, fields });
    fields = [];
    begins = line;
  }
  return records;
}

function whyNoField(text: string, at: number): string {
  if (text[at] !== '"') return "a field that is not quoted holds a quote or a lone carriage return";
  return /^"[^"]*(?:""[^"]*)*"/.test(text.slice(at)) ? "something stands between a closing quote and the comma" : "a quote is never closed";
}
