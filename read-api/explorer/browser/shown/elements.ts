/** Pieces of the page. Whatever text comes from elsewhere becomes a text node and nothing else: no markup is ever parsed. */

type Child = Node | string | undefined | false;
type Attributes = Readonly<Record<string, string | boolean | undefined | ((event: Event) => void)>>;

/** Functions are listeners, `true` is an attribute without a value, and what is undefined or false is left out. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(attribute, value);
    else if (value !== undefined && value !== false) made.setAttribute(attribute, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

export const byId = (id: string): HTMLElement => document.getElementById(id)!;

/** Shows these pieces in a place, and leaves the focus where it was if what had it is there again, else at the place's title. */
export function show(place: HTMLElement, ...pieces: readonly Child[]): void {
  const focused = place.contains(document.activeElement) ? document.activeElement!.id : "";
  place.replaceChildren(...pieces.filter((piece) => piece !== undefined && piece !== false));
  if (focused !== "") (document.getElementById(focused) ?? place.querySelector<HTMLElement>("[tabindex]"))?.focus();
}

/** A word and its colour: never the colour alone. */
export const badge = (word: string, says = word) => element("span", { class: `badge ${word}` }, says);

const units = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `3 minutes ago`, with the moment itself behind it. */
export function moment(at: string | null): HTMLElement | string {
  if (at === null) return "–";
  const seconds = Math.round((Date.parse(at) - Date.now()) / 1_000);
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  const words = unit ? relative.format(Math.trunc(seconds / size), unit) : seconds > 0 ? "in a moment" : "just now";
  return element("time", { datetime: at, title: at }, words);
}

/** Moments that came with the page, as how long ago they were. */
export function showAges(): void {
  for (const time of document.querySelectorAll("time[data-ago]")) time.replaceWith(moment(time.getAttribute("datetime")));
}

export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
  rowAttributes?: (n: number) => Attributes,
) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells, n) => element("tr", rowAttributes?.(n), ...cells.map((cell) => element("td", {}, cell))));
  return element(
    "div",
    { class: "wide" },
    element("table", {}, element("caption", { class: "hidden" }, caption), element("thead", {}, head), element("tbody", {}, ...body)),
  );
}

/** A list of names and what they stand for; pairs without a value are left out. */
export const facts = (pairs: readonly (readonly [name: string, value: Node | string | null | undefined])[]) =>
  element(
    "dl",
    { class: "facts" },
    ...pairs.flatMap(([name, value]) =>
      value === null || value === undefined || value === "" ? [] : [element("div", {}, element("dt", {}, name), element("dd", {}, value))],
    ),
  );

/** Bytes that somebody else sent, as text in which nothing hides: neither control characters nor what turns the direction of writing. */
export function foreignText(base64: string): string {
  const bytes = Uint8Array.from(atob(base64.replaceAll("\n", "")), (letter) => letter.charCodeAt(0));
  return new TextDecoder()
    .decode(bytes)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** A question; resolves to whether it was answered with yes. */
export function confirmed(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = element(
    "dialog",
    { "aria-labelledby": "question" },
    element("h2", { id: "question" }, title),
    element("p", {}, text),
    element(
      "form",
      { method: "dialog", class: "row" },
      element("button", { value: "yes", class: "main" }, yes),
      element("button", { value: "no", autofocus: true }, "Leave it"),
    ),
  );
  return asked(dialog).then((answer) => answer === "yes");
}

/** Shows a dialog until it is closed, and gives the focus back. */
export function asked(dialog: HTMLDialogElement): Promise<string> {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    }),
  );
}
