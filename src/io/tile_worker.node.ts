// The worker's own file in Node: an entry of the build.
import { type MessagePort, parentPort } from "node:worker_threads";
import { tileService } from "./tile_service.ts";

const port = parentPort as MessagePort;
port.on(
  "message",
  tileService((answer, moved) => port.postMessage(answer, moved)),
);
