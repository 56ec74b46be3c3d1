/** Examines blocks of a bundle's lines on a thread of its own; answers in the order of the questions. */
import { parentPort, workerData } from "node:worker_threads";
import { examineBlock, type LogKey } from "../../domain/log/verify.ts";
import { useNodeHashes } from "../crypto.ts";

useNodeHashes();
const key = workerData as LogKey;
// Why a text: it crosses over as one piece of memory, which is faster than thousands of small objects.
parentPort!.on("message", (block: Uint8Array) => parentPort!.postMessage(JSON.stringify(examineBlock(block, key))));
parentPort!.postMessage("ready");
