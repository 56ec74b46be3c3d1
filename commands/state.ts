import { committing } from "../domain/state.ts";
import { type Exposed, expose } from "./expose.ts";

export const stateCommands: readonly Exposed[] = expose("log", committing, {
  CommitState: { by: "system", summary: "Commits to the heads of all streams and to the rows of every projection." },
});
