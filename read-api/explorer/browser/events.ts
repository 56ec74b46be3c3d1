/** The timeline's script: names of members, for those who may see them. Everything else is in the page as it comes. */
import { listenForToken, nameMembers } from "./log.ts";

/** Names that cannot be had leave the ids as they are. */
const look = () => void nameMembers().catch(() => undefined);

listenForToken(look);
look();
