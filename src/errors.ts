/** Everything Proxel throws on purpose. Message: *who: what was expected, what came; what to do.* */
export class ProxelError extends Error {
  override name = "ProxelError";
}

/** No adapter, a lost device, something over a limit. */
export class GpuError extends ProxelError {
  override name = "GpuError";
  /** For a limit: its name, what was asked and what the adapter allows. */
  readonly limit: { name: string; wanted: number; allowed: number } | undefined;
  constructor(message: string, limit?: { name: string; wanted: number; allowed: number }) {
    super(message);
    this.limit = limit;
  }
}

/** A shader that does not compile: its stem, and messages that point into the original files. */
export class ShaderError extends ProxelError {
  override name = "ShaderError";
  readonly stem: string;
  readonly source: string;
  constructor(stem: string, messages: string, source: string) {
    super(`${stem}: the shader does not compile\n${messages}`);
    this.stem = stem;
    this.source = source;
  }
}

/** Shapes or dtypes that do not fit an op. */
export class ShapeError extends ProxelError {
  override name = "ShapeError";
}

/** Parameters missing, unused or of the wrong shape, by name; or a file that is not what it says. */
export class WeightsError extends ProxelError {
  override name = "WeightsError";
}
