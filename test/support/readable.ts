/** Questions to a page in a browser, each answered with what is wrong: whether all of it can be seen, read and named. */

/** What a box shows less of than it holds, where it does not say so by an ellipsis or a scroll bar. */
export const cutOff = `[...document.querySelectorAll("main *, header *, footer *")].filter((each) => {
  const style = getComputedStyle(each);
  if (each.closest(".hidden, .skip, svg, [hidden], details:not([open])") || style.display === "inline" || style.display === "none") return false;
  if (each.clientWidth === 0) return each.tagName !== "OPTION" && each.getClientRects().length > 0 && (each.innerText ?? "").trim() !== "";
  return each.scrollWidth > each.clientWidth + 1 && style.overflowX === "visible" && !["INPUT", "SELECT"].includes(each.tagName);
}).map((each) => each.outerHTML.slice(0, 120))`;

/** Text whose contrast with what lies behind it is below 4.5 : 1 (WCAG 2.2, 1.4.3). */
export const faint = `{
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgb("Canvas");
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  [...document.querySelectorAll("body *")].flatMap((each) => {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || each.closest(".hidden, script, style, option, [disabled], [hidden], [aria-busy=true]") || each.getClientRects().length === 0) return [];
    const style = getComputedStyle(each);
    const found = ratio(rgb(each instanceof SVGElement ? style.fill : style.color), each.closest("svg") ? rgb("transparent").map((_, n) => behind(each.closest("svg"))[n]) : behind(each));
    return found < 4.5 ? [each.tagName + "." + each.className + " " + found.toFixed(2) + " " + each.textContent.slice(0, 40)] : [];
  });
}`;

/** What can be reached and says nothing of what it is. */
export const unnamed = `[...document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=img], section, nav")].filter((each) => {
  if (each.closest("[hidden]")) return false;
  const labelledBy = each.getAttribute("aria-labelledby");
  const name = each.getAttribute("aria-label") || (labelledBy && document.getElementById(labelledBy)?.textContent) || (each.labels?.length ? each.labels[0].textContent : "") || (["INPUT", "SELECT", "SECTION", "NAV", "TEXTAREA"].includes(each.tagName) ? "" : each.textContent);
  return name.trim() === "";
}).map((each) => each.outerHTML.slice(0, 120))`;
