import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Picture, readPicture, toRgb, writePicture } from "./picture.ts";

/** A picture of a path, URL or Blob as a tensor [1, H, W, 3] in [-1, 1]. Alpha is left behind; grey becomes three channels. */
export const readImage = async (source: string | URL | Blob): Promise<Tensor> => imageTensor(await readPicture(source));

export const imageTensor = (picture: Picture): Tensor =>
  tensor([1, picture.height, picture.width, 3], toRgb(picture).data);

/** A tensor [1, H, W, 1 or 3] in [-1, 1] as a picture on the host. */
export async function imagePicture(x: Tensor): Promise<Picture> {
  if (x.shape[0] !== 1) throw new RangeError(`image: expected [1, H, W, 1 or 3], got [${x.shape}]`);
  return (await imagePictures(x))[0] as Picture;
}

/** A tensor [N, H, W, 1 or 3] in [-1, 1] as pictures on the host. */
export async function imagePictures(x: Tensor): Promise<Picture[]> {
  const [N, height, width, channels] = x.shape as [number, number, number, 1 | 3];
  if (x.shape.length !== 4 || (channels !== 1 && channels !== 3))
    throw new RangeError(`image: expected [N, H, W, 1 or 3], got [${x.shape}]`);
  const data = await x.read();
  const each = height * width * channels;
  return Array.from({ length: N }, (_, n) => ({
    ...{ width, height, channels, bits: 8 },
    data: data.subarray(n * each, (n + 1) * each),
  }));
}

/** Writes a tensor [1, H, W, 1 or 3] as PNG, JPEG or WebP, by the name's extension. Replaces what is there. */
export const writeImage = async (x: Tensor, path: string): Promise<void> =>
  writePicture(path, await imagePicture(x), { force: true });
