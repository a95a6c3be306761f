/** Lists and runs test files in this page, by vitest's own runner. The host calls `listTests` and `runTests`. */
import { collectTests, type File, startTests, type Task, type Test, type VitestRunner } from "@vitest/runner";

export interface Listed {
  file: string;
  /** Why the file does not load. */
  error: string;
  tests: { id: string; name: string; skip: boolean }[];
}
export interface Outcome {
  id: string;
  state: "pass" | "fail" | "skip";
  note?: string | undefined;
  message: string;
}
declare global {
  function listTests(files: readonly string[]): Promise<Listed[]>;
  /** Resolves when all have run; each is told to `finished` as it ends. */
  function runTests(file: string): Promise<void>;
  /** Given by the host. */
  function finished(outcome: Outcome): Promise<void>;
}

const testsOf = (task: Task): Test[] => (task.type === "suite" ? task.tasks.flatMap(testsOf) : [task]);
const nameOf = ({ suite, name }: Task): string => (suite?.name ? `${nameOf(suite)} > ${name}` : name);
const messages = ({ result }: Task): string =>
  (result?.errors ?? []).map((e) => `${e.name}: ${e.message}\n${e.diff ?? ""}`.trim()).join("\n");

let tests: Test[] = [];
const told = new Set<string>();

function tell(test: Test, otherwise = ""): Promise<void> | undefined {
  if (told.has(test.id)) return;
  told.add(test.id);
  const { state, note } = (test.result ?? {}) as { state?: string; note?: string };
  const known = state === "pass" || state === "skip" ? state : "fail";
  return finished({ id: test.id, state: known, note, message: messages(test) || otherwise });
}

const runner: VitestRunner = {
  config: {
    root: "/",
    setupFiles: [],
    passWithNoTests: false,
    sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
    maxConcurrency: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
  },
  importFile: (file) => import(file),
  onCollected([file]: File[]) {
    tests = testsOf(file as File);
  },
  async onTaskUpdate(_, events) {
    const ended = events.flatMap(([id, event]) => (event === "test-finished" ? [id] : []));
    for (const test of tests) if (ended.includes(test.id)) await tell(test);
  },
};

globalThis.listTests = async (files) =>
  (await collectTests([...files], runner)).map((file) => ({
    file: file.filepath,
    error: messages(file),
    tests: testsOf(file).map((test) => ({ id: test.id, name: nameOf(test), skip: /skip|todo/.test(test.mode) })),
  }));

globalThis.runTests = async (path) => {
  const [file] = (await startTests([path], runner)) as [File];
  // what a hook kept from running has no result of its own
  for (const test of tests) await tell(test, messages(file) || "it did not run");
};
