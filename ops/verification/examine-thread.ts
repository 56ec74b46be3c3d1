/** Examines blocks of a bundle's lines on a thread of its own; answers in the order of the questions. */
import { parentPort } from "node:worker_threads";
import { examineBlock } from "../../domain/log/verify/examine.ts";
import { useNodeHashes } from "../crypto.ts";
import { toText } from "./examined-text.ts";
import type { Question } from "./examiner.ts";

useNodeHashes();
// Why a text: it crosses over as one piece of memory, which is faster than thousands of small objects.
parentPort!.on("message", ({ block, ...key }: Question) => parentPort!.postMessage(toText(examineBlock(block, key))));
parentPort!.postMessage("ready");
