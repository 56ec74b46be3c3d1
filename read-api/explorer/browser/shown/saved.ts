/** Lets the reader keep a text as a file; it leaves the browser for nowhere else. */
import { element } from "./elements.ts";

export function saveLink(text: string, name: string, says: string): HTMLElement {
  const address = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  return element("a", { href: address, download: name }, says);
}
