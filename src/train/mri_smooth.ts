import type { Rng } from "../../kernels/random.ts";
import { normalised } from "../physics/coils.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

type Size = readonly [H: number, W: number];

/** u and v of pixel i, -1 to 1 over rows and columns. */
const place = (i: number, [H, W]: Size): [number, number] => [(2 * Math.floor(i / W)) / H - 1, (2 * (i % W)) / W - 1];

/**
 * A phase that changes slowly, [H, W] in radians: a constant of any value, a slope, a bowl, and three waves of at most one and a
 * half periods, of normal weights such that it strays by about `spread`.
 */
export function smoothPhase(size: Size, random: Rng, spread: number): Float64Array {
  const start = 2 * Math.PI * random.number();
  const [a, b, c] = [random.gaussian(), random.gaussian(), random.gaussian()];
  const waves = Array.from({ length: 3 }, () => ({
    weight: random.gaussian(),
    ...{ y: 1.5 * Math.PI * (2 * random.number() - 1), x: 1.5 * Math.PI * (2 * random.number() - 1) },
    shift: 2 * Math.PI * random.number(),
  }));
  return Float64Array.from({ length: size[0] * size[1] }, (_, i) => {
    const [u, v] = place(i, size);
    const bumps = waves.reduce((sum, w) => sum + w.weight * Math.cos(w.y * u + w.x * v + w.shift), 0);
    return start + (spread / 2) * (a * u + b * v + c * u * v + bumps / Math.sqrt(3));
  });
}

/**
 * Sensitivities of coils laid around the picture at random, c64 [H, W, coils], sum |S|^2 = 1: bells of their own width about
 * places near a circle of their own radius, each with a phase of its own that leans one way.
 */
export function smoothCoils(size: Size, coils: number, random: Rng): Tensor {
  const turn = 2 * Math.PI * random.number();
  const each = Array.from({ length: coils }, (_, k) => {
    const angle = turn + (2 * Math.PI * (k + 0.5 * (random.number() - 0.5))) / coils;
    const radius = 0.8 + 0.5 * random.number();
    return {
      ...{ y: radius * Math.sin(angle), x: radius * Math.cos(angle), width: 0.6 + 0.5 * random.number() },
      ...{ phase: 2 * Math.PI * random.number(), lean: [random.gaussian(), random.gaussian()] as const },
    };
  });
  const data = new Float64Array(2 * size[0] * size[1] * coils);
  for (let i = 0; i < size[0] * size[1]; i++) {
    const [u, v] = place(i, size);
    each.forEach(({ y, x, width, phase, lean }, c) => {
      const m = Math.exp(-((u - y) ** 2 + (v - x) ** 2) / (2 * width ** 2));
      const phi = phase + lean[0] * u + lean[1] * v;
      data[2 * (i * coils + c)] = m * Math.cos(phi);
      data[2 * (i * coils + c) + 1] = m * Math.sin(phi);
    });
  }
  return tensor([...size, coils], normalised(data, coils), "c64");
}
