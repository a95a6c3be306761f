import { expect, test } from "vitest";
import { hostAdam, hostState } from "../../src/train/host_adam.ts";

test("its first step is the rate long, whatever the gradient; m, v and the average are as Adam has them", () => {
  const at = { step: 0, lr: 0.1, emaDecay: 0.5 };
  const { values, m, v, ema } = hostAdam(hostState({ a: 1, b: -2, c: 3 }), { a: 1e-3, b: -50, c: 0 }, at);
  expect(values.a).toBeCloseTo(0.9, 5);
  expect(values.b).toBeCloseTo(-1.9, 9);
  expect(values.c).toBe(3);
  expect(m.b).toBeCloseTo(-5, 12);
  expect(v.b).toBeCloseTo(2.5, 12);
  expect(ema.b).toBeCloseTo(-1.95, 9);
});

test("a parabola's bottom is found, and a state that went through JSON goes on to the same bits", () => {
  const walk = (from: number, to: number, state = hostState({ x: 4 })) => {
    let s = state;
    for (let step = from; step < to; step++) {
      const { x } = s.values as { x: number };
      s = hostAdam(s, { x: 2 * (x - 1 / 3) }, { step, lr: 0.1, emaDecay: 0.9 }, { beta2: 0.99 });
    }
    return s;
  };
  const whole = walk(0, 300);
  expect(whole.values.x).toBeCloseTo(1 / 3, 3);
  expect(walk(120, 300, JSON.parse(JSON.stringify(walk(0, 120))))).toEqual(whole);
});
