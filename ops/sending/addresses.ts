/**
 * Which addresses a webhook may reach. Urls come from people: without this the server would call its own network, its own ports and its cloud's
 * metadata for them. Checked three times: when the url is parsed (literals never reach a look-up), when the name is looked up, and on the
 * connected socket, so that a name which changes its address between the two (DNS rebinding) gains nothing.
 */
import { BlockList, isIP } from "node:net";

/** Special-purpose ranges (IANA registries, RFC 6890 and its successors): nothing a stranger's receiver stands in. */
const special: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "2620:4f:8000::/48",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
];

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Throws a RangeError for what is no network in CIDR form. */
export function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/");
    const most = isIP(address) === 6 ? 128 : 32;
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(bits ?? "") || Number(bits) > most) throw new RangeError(`${cidr} is not a network`);
    list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}

const specialNetworks = networks(special);

/** An IPv4 address in an IPv6 socket is the IPv4 address. */
const unmapped = (address: string) => {
  const [, dotted, high, low] = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address) ?? [];
  if (dotted !== undefined) return dotted;
  if (high === undefined) return address;
  const number = (Number.parseInt(high, 16) << 16) | Number.parseInt(low!, 16);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
};

export type Reach = {
  /** `public`: anybody's; `allowed`: in a network that the operator opened. */
  readonly of: (address: string) => "public" | "allowed" | "forbidden";
};

/** What may be reached: everything public, and the networks that the operator named. */
export function reach(allowed: readonly string[]): Reach {
  const opened = networks(allowed);
  return {
    of(address) {
      const bare = unmapped(address.split("%")[0]!);
      if (isIP(bare) === 0) return "forbidden";
      if (opened.check(bare, familyOf(bare))) return "allowed";
      return specialNetworks.check(bare, familyOf(bare)) ? "forbidden" : "public";
    },
  };
}

/** The address that a url names itself, in the form that sockets use; undefined where it names a host. */
export const literalOf = (url: URL): string | undefined => {
  const bare = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(bare) === 0 ? undefined : bare;
};
