/** A proof as a drawing: the path from the leaf up to the root, and beside it the hashes of everything else. */
import { hex, nodeHash } from "../../../../domain/log/hash.ts";
import { element } from "../shown/elements.ts";

/** One level of the path: what stands beside it. `from` to `to` are the leaves below the neighbour, half-open. */
export type Step = { readonly side: "left" | "right"; readonly from: number; readonly to: number };

/** The levels from the leaf upwards (RFC 9162 §2.1.3.1): at each the larger half has a power of two of leaves. */
export function stepsOf(index: number, size: number): readonly Step[] {
  const steps: Step[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    let half = 1;
    while (half * 2 < to - from) half *= 2;
    const middle = from + half;
    steps.push(index < middle ? { side: "right", from: middle, to } : { side: "left", from, to: middle });
    if (index < middle) to = middle;
    else from = middle;
  }
  return steps.reverse();
}

/** The hashes on the path, the leaf's first and the root's last. */
export function climbed(leaf: Uint8Array, steps: readonly Step[], path: readonly Uint8Array[]): readonly Uint8Array[] {
  const hashes = [leaf];
  steps.forEach(({ side }, n) => hashes.push(side === "left" ? nodeHash(path[n]!, hashes[n]!) : nodeHash(hashes[n]!, path[n]!)));
  return hashes;
}

const wide = 330;
const rowHigh = 64;
const box = { wide: 118, high: 40 };
const columns = { left: 62, middle: wide / 2, right: wide - 62 };

const short = (hash: Uint8Array) => `${hex(hash.subarray(0, 5))}…`;
export const leaves = (from: number, to: number) => (to - from === 1 ? `leaf ${from}` : `leaves ${from}–${to - 1}`);

/** The root stands on top. What was proven is drawn in one colour, what it was proven with in another. */
export function treeShown(index: number, size: number, leaf: Uint8Array, path: readonly Uint8Array[]): SVGSVGElement {
  const steps = stepsOf(index, size);
  const hashes = climbed(leaf, steps, path);
  const high = rowHigh * steps.length + box.high + 4;
  const whole = svg("svg", {
    class: "tree",
    viewBox: `0 0 ${wide} ${high}`,
    role: "img",
    "aria-label": `Leaf ${index} and ${steps.length} neighbouring hashes lead up to the root over ${size} leaves.`,
  });
  const [lines, boxes]: [SVGElement[], SVGElement[]] = [[], []];
  // The path swings to the side on which it stands at each level, so that the neighbour always has the other.
  const level = (n: number) => high - box.high - 2 - n * rowHigh;
  const column = (n: number) => (n === steps.length ? columns.middle : steps[n]!.side === "left" ? columns.right : columns.left);
  hashes.forEach((hash, n) => {
    const says = n === 0 ? `leaf ${index}` : n === steps.length ? `root of ${size}` : `level ${n}`;
    boxes.push(node(column(n), level(n), short(hash), says, true));
    const step = steps[n];
    if (!step) return;
    const beside = step.side === "left" ? columns.left : columns.right;
    boxes.push(node(beside, level(n), short(path[n]!), leaves(step.from, step.to), false));
    lines.push(edge(beside, level(n), column(n + 1), level(n + 1), ""), edge(column(n), level(n), column(n + 1), level(n + 1), "on"));
  });
  whole.append(...lines, ...boxes);
  return whole;
}

const edge = (x1: number, y1: number, x2: number, y2: number, kind: string) => svg("line", { class: kind, x1, y1, x2, y2: y2 + box.high });

function node(x: number, y: number, hash: string, says: string, isOn: boolean): SVGElement {
  const group = svg("g", { class: isOn ? "on" : "beside" });
  const texts = [svg("text", { x, y: y + 17 }), svg("text", { class: "soft", x, y: y + 32 })];
  texts[0]!.textContent = hash;
  texts[1]!.textContent = says;
  group.append(svg("rect", { x: x - box.wide / 2, y, width: box.wide, height: box.high, rx: 8 }), ...texts);
  return group;
}

function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string | number>>,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  return made;
}

/** The same path to read and to copy. */
export const pathListed = (index: number, size: number, path: readonly Uint8Array[]) =>
  element(
    "details",
    {},
    element("summary", {}, "The hashes, from the leaf upwards"),
    element(
      "ol",
      { class: "mono" },
      ...stepsOf(index, size).map(({ side, from, to }, n) => element("li", {}, `${side}, ${leaves(from, to)}: ${hex(path[n]!)}`)),
    ),
  );
