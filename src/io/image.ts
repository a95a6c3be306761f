import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Picture, readPicture, toRgb, writePicture } from "./picture.ts";

/** A picture of a path, URL or Blob as a tensor [1, H, W, 3] in [-1, 1]. Alpha is left behind; grey becomes three channels. */
export const readImage = async (source: string | URL | Blob): Promise<Tensor> => imageTensor(await readPicture(source));

export const imageTensor = (picture: Picture): Tensor =>
  tensor([1, picture.height, picture.width, 3], toRgb(picture).data);

/** A tensor [1, H, W, 1 or 3] in [-1, 1] as a picture on the host. */
export async function imagePicture(x: Tensor): Promise<Picture> {
  const [N, height, width, channels] = x.shape as [number, number, number, 1 | 3];
  if (x.shape.length !== 4 || N !== 1 || (channels !== 1 && channels !== 3))
    throw new RangeError(`image: expected [1, H, W, 1 or 3], got [${x.shape}]`);
  return { width, height, channels, data: await x.read(), bits: 8 };
}

/** Writes a tensor [1, H, W, 1 or 3] as PNG, JPEG or WebP, by the name's extension. Replaces what is there. */
export const writeImage = async (x: Tensor, path: string): Promise<void> =>
  writePicture(path, await imagePicture(x), { force: true });
