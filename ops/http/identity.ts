import { createPrivateKey } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { createLocalJWKSet, exportJWK, importJWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { type Caller, guest } from "../../domain/caller.ts";
import { type Problem, problem } from "../../domain/problem.ts";
import { Uuid } from "../../event-schemas/values.ts";
import type { Ambient } from "../ambient.ts";

const algorithm = "EdDSA";
const tokenLifeSeconds = 15 * 60;
const skewSeconds = 30;
const tokenBytesMax = 8_192;
const cacheMax = 20_000;

export type Identity = {
  /** Who sends this request: a member by a token, a guest without one. */
  identify(request: Pick<FastifyRequest, "headers">): Promise<Caller | Problem>;
  /** A token for a member, 15 minutes long. Of the development issuer: whoever holds its key can be anybody. */
  issue(memberId: string): Promise<string>;
};

/** Bearer tokens (RFC 8725: one issuer, one algorithm, audience and expiry required) of our own issuer; `sub` is the member's id. */
export async function tokenIdentity(seed: Uint8Array, origin: string, { now, random }: Pick<Ambient, "now" | "random">): Promise<Identity> {
  const { privateJwk, publicJwk } = await jwksOf(seed);
  const keys = createLocalJWKSet({ keys: [{ ...publicJwk, alg: algorithm, use: "sig" }] });
  const signingKey = await importJWK(privateJwk, algorithm);
  const issuer = `https://tokens.invalid/${origin}`;
  const seconds = () => Math.floor(Date.parse(now()) / 1000);
  const checked = new Map<string, { caller: Caller; until: number }>();

  async function check(token: string): Promise<Caller | Problem> {
    const cached = checked.get(token);
    if (cached && cached.until > seconds()) return cached.caller;
    checked.delete(token);
    if (token.length > tokenBytesMax) return denied("it is too long");
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: origin,
        algorithms: [algorithm],
        typ: "at+jwt",
        clockTolerance: skewSeconds,
        currentDate: new Date(now()),
        requiredClaims: ["exp", "iat", "sub"],
      });
      if (!Uuid.safeParse(payload.sub).success) return denied("its subject is not a member's id");
      const caller: Caller = { kind: "member", id: payload.sub!, auth: authOf(payload) };
      checked.set(token, { caller, until: payload.exp! });
      if (checked.size > cacheMax) checked.delete(checked.keys().next().value!);
      return caller;
    } catch (error) {
      return denied((error as { code?: string }).code === "ERR_JWT_EXPIRED" ? "it has expired" : "it is not one of ours");
    }
  }

  return {
    async identify({ headers: { authorization } }) {
      if (authorization === undefined) return guest;
      const token = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1];
      return token === undefined ? problem("UNAUTHENTICATED", "Authorization is not `Bearer <token>`") : check(token);
    },
    issue: (memberId) =>
      new SignJWT()
        .setProtectedHeader({ alg: algorithm, typ: "at+jwt" })
        .setSubject(memberId)
        .setIssuer(issuer)
        .setAudience(origin)
        .setJti(Buffer.from(random(12)).toString("base64url"))
        .setIssuedAt(seconds())
        .setExpirationTime(seconds() + tokenLifeSeconds)
        .sign(signingKey),
  };
}

/** Of an instance that trusts no issuer yet: everybody reads as a guest, and nobody sends a command. */
export const guestsOnly: Identity = {
  identify: async ({ headers: { authorization } }) =>
    authorization === undefined ? guest : denied("no issuer of tokens is configured; the development issuer is refused in production"),
  issue: () => Promise.reject(new Error("the development issuer is refused in production")),
};

/** Why exactly a token is refused helps a forger more than a user, who needs to know only whether to fetch a new one. */
const denied = (why: string) => problem("UNAUTHENTICATED", `The token was refused: ${why}`);

/** What the record keeps of a token (the log format, §5): never the token itself. */
const authOf = ({ iss, sub, jti, iat }: JWTPayload) => ({
  kind: "jwt",
  ...(iss !== undefined && { iss }),
  ...(sub !== undefined && { sub }),
  ...(jti !== undefined && { jti }),
  ...(iat !== undefined && Number.isSafeInteger(iat) && { iat }),
});

async function jwksOf(seed: Uint8Array) {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const privateJwk = await exportJWK(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const { d: _, ...publicJwk } = privateJwk;
  return { privateJwk, publicJwk };
}
