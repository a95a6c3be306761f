// The worker's own file in a page: an entry of the build.
import { type Ask, tileService } from "./tile_service.ts";

const answer = tileService((answer, moved) => self.postMessage(answer, { transfer: moved }));
self.onmessage = ({ data }: MessageEvent<Ask>) => void answer(data);
