import { anchoring, delivering } from "../domain/administration/deliveries.ts";
import { changing, registering } from "../domain/administration/registration.ts";
import { redelivering } from "../domain/administration/replay.ts";
import { rotating } from "../domain/administration/rotation.ts";
import { type Exposed, expose } from "./expose.ts";

export const administrationCommands: readonly Exposed[] = [
  ...expose("administration", registering, {
    RegisterWebhook: { by: "operator", summary: "Has an address told of events. Its first secret is in the answer, once." },
  }),
  ...expose("administration", changing, {
    ChangeWebhook: { by: "operator", summary: "Changes what a webhook is told, or where; a new address must prove itself." },
    PauseWebhook: { by: "operator", summary: "Lets deliveries wait." },
    ResumeWebhook: { by: "operator", summary: "Lets deliveries go on where they were; a webhook that was disabled proves itself again." },
    RemoveWebhook: { by: "operator", summary: "Ends a webhook for good." },
    VerifyWebhook: { by: "operator", summary: "Lets a webhook be told, on an operator's word, where its profile knows no handshake." },
    DisableWebhook: { by: "system", summary: "Ends deliveries because the receiver asked for it, or has been failing for days." },
  }),
  ...expose("administration", rotating, {
    StageWebhookSecret: { by: "operator", summary: "Makes a secret, or takes one, that signs nothing yet. It is in the answer, once." },
    ActivateWebhookSecret: { by: "operator", summary: "Signs with a staged secret; the one before it retires a week later." },
    RevokeWebhookSecret: { by: "operator", summary: "Ends a secret that is staged or retires." },
  }),
  ...expose("administration", redelivering, {
    RedriveDeliveries: { by: "operator", summary: "Puts dead deliveries back in their places." },
    ReplayWebhook: { by: "operator", summary: "Delivers the events of a span of the log once more, under the same ids." },
    TestWebhook: { by: "operator", summary: "Sends a test event." },
  }),
  ...expose("administration", delivering, {
    RecordDeaths: { by: "system", summary: "Records deliveries that were given up." },
    OpenCircuit: { by: "system", summary: "Records that deliveries wait because the endpoint is at fault." },
    CloseCircuit: { by: "system", summary: "Records that the endpoint answers again." },
  }),
  ...expose("administration", anchoring, {
    AnchorAttempts: { by: "system", summary: "Anchors the attempts since the last anchor in the log." },
  }),
];
