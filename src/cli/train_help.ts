import { METHODS } from "../recipes.ts";
import { COMMON, dashed, type Method, type Setting, settingsOf } from "../recipes_shared.ts";

/** Options that say where, not what. */
const DOORS = {
  out: { type: "string", short: "o" },
  data: { type: "string", multiple: true },
  prior: { type: "string" },
  resume: { type: "boolean" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** The command line's options, from the method's settings. */
export function optionsOf(method: Method) {
  const { prior, ...doors } = DOORS;
  const own = Object.entries(settingsOf(method)).map(([name, { value }]) => {
    const type = typeof value === "boolean" ? ("boolean" as const) : ("string" as const);
    return [dashed(name), { type }];
  });
  return { ...Object.fromEntries(own), ...doors, ...(method.prior === "none" ? {} : { prior }) } as typeof DOORS;
}

const LEFT = 22;
const listed = (left: string, right: string): string =>
  left.length < LEFT ? `  ${left.padEnd(LEFT)} ${right}` : `  ${left}\n  ${" ".repeat(LEFT)} ${right}`;

function line([name, { value, about, choices }]: [string, Setting]): string {
  const kind =
    typeof value === "boolean"
      ? ""
      : typeof value === "string"
        ? choices
          ? " NAME"
          : " TEXT"
        : typeof value === "number"
          ? " N"
          : " A,B";
  const among = choices ? `${about}: ${choices.join(", ")}` : about;
  const shown = typeof value === "boolean" || value === "" ? "" : `[${value}]`;
  return listed(`--${dashed(name)}${kind}`, [among, shown].filter(Boolean).join(" "));
}

/** Without a name: how the command is used, and which methods there are. */
export function helpOf(name: string | undefined, method: Method): string {
  const all = Object.entries(settingsOf(method));
  const own = all.filter(([key]) => !Object.hasOwn(COMMON, key));
  const methods = Object.entries(METHODS).map(([key, { about }]) => listed(key, about));
  const head = name
    ? [
        `proxel train ${name}: ${method.about}`,
        "",
        `  proxel train ${name} -o FOLDER [--data WHAT[:WEIGHT] ...] [options]`,
      ]
    : [
        "proxel train: train a denoising prior, or another method, on your pictures",
        "",
        "  proxel train [METHOD] -o FOLDER [--data WHAT[:WEIGHT] ...] [options]      proxel train METHOD --help says more",
        "",
        ...methods,
        "",
        "Options, and what METHOD edm, the default, has of its own:",
      ];
  return [
    ...head,
    "",
    listed(
      "--data WHAT",
      method.data ?? "a folder of pictures, an atlas's .json, or dead-leaves; repeatable [dead-leaves]",
    ),
    ...(method.prior === "none"
      ? []
      : [
          listed("--prior FILE", `the network to begin with${method.prior === "wanted" ? " [the shipped prior]" : ""}`),
        ]),
    listed("-o, --out FOLDER", "checkpoint.safetensors, the results, log.jsonl, loss.html and sheets go there"),
    listed("--resume", "go on from the checkpoint in FOLDER, exactly as if the run had not stopped"),
    listed("--dry-run", "two steps without leaving files: parameters, memory, time a step and for all"),
    "",
    ...own.map(line),
    ...(own.length ? [""] : []),
    ...all.filter(([key]) => Object.hasOwn(COMMON, key)).map(line),
    "",
    listed("--json", "one object as the last line of stdout"),
  ].join("\n");
}
