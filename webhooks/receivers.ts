/** Every profile there is, by the name that a webhook is registered with. */
import type { WebhookProfile } from "../event-schemas/administration.ts";
import type { Profile } from "./profile.ts";
import { markov } from "./receivers/markov.ts";
import { standard } from "./receivers/standard.ts";
import type { SignWithSeed } from "./signature.ts";

export const profiles = (sign: SignWithSeed): Readonly<Record<WebhookProfile, Profile>> => ({
  markov: markov(sign),
  standard: standard(sign),
});
