/** Stands in for "vitest" in a page: the same runner and the same matchers, without the worker around them. */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from "@vitest/expect";
import { getCurrentTest } from "@vitest/runner";
import * as chai from "chai";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const check = (value: unknown, message?: string) => chai.expect(value, message);

export const expect = Object.assign(
  check,
  chai.expect,
  (globalThis as unknown as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT],
  { getState: () => ({ ...getState(check as never), testPath: getCurrentTest()?.file.filepath }) },
);
