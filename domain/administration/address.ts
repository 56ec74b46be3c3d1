/** What stands against an address as it is asked for. Where its name leads is looked at when it is connected to, each time. */
export type AddressFault = "ADDRESS_NOT_A_URL" | "ADDRESS_NEEDS_HTTPS" | "ADDRESS_NAMES_A_USER" | "ADDRESS_HAS_A_FRAGMENT";

export const addressRules = {
  ADDRESS_NOT_A_URL: "The address is an absolute http or https URL, spelled as a URL is spelled.",
  ADDRESS_NEEDS_HTTPS: "The address has https; plain http is for this machine and for private networks, which must be allowed besides.",
  ADDRESS_NAMES_A_USER: "The address holds no user name and no password: deliveries are signed instead.",
  ADDRESS_HAS_A_FRAGMENT: "The address has no fragment, which would never be sent.",
} as const satisfies Record<AddressFault, string>;

export const addressLengthMax = 2_000;

/** The normal form of an address, or what is wrong with it. `anyHttp` is for the one that is configured. */
export function readAddress(text: string, { anyHttp }: { anyHttp: boolean }): { readonly url: string } | { readonly fault: AddressFault } {
  const url = parsed(text);
  if (!url) return { fault: "ADDRESS_NOT_A_URL" };
  if (url.username !== "" || url.password !== "" || /^https?:\/\/[^/?#]*@/i.test(text)) return { fault: "ADDRESS_NAMES_A_USER" };
  if (text.includes("#")) return { fault: "ADDRESS_HAS_A_FRAGMENT" };
  if (url.protocol === "http:" && !anyHttp && !isPrivate(url.hostname)) return { fault: "ADDRESS_NEEDS_HTTPS" };
  return { url: url.href };
}

// Trap: `new URL` drops tabs and line ends, turns backslashes, and makes up missing slashes; what it would mend is refused.
const spelled = /^https?:\/\/[^/\\\s][\x21-\x5b\x5d-\x7e]*$/i;

function parsed(text: string): URL | undefined {
  if (!spelled.test(text) || text.length > addressLengthMax) return undefined;
  try {
    const url = new URL(text);
    return url.href.length <= addressLengthMax ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Names and literals that never leave this machine or its network; WHATWG URL has written every spelling of an IPv4 address as four numbers. */
function isPrivate(hostname: string): boolean {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^\[f[cd][0-9a-f]{2}:/.test(hostname))
    return true;
  const [a = -1, b = -1, ...rest] = /^\d+(\.\d+){3}$/.test(hostname) ? hostname.split(".").map(Number) : [];
  return rest.length === 2 && (a === 127 || a === 10 || (a === 192 && b === 168) || (a === 172 && b >= 16 && b < 32));
}
