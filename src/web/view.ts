// Before and after on one canvas. One matrix takes pixels of the picture to pixels of the canvas; zoom, pan and fit
// change it and nothing else does.
import { mat3, vec2 } from "gl-matrix";

export interface View {
  /** Left of the divider `before`, right of it `after`; without `after`, `before` alone. */
  show(before: ImageBitmap | OffscreenCanvas, after?: ImageBitmap | OffscreenCanvas): void;
}

const CLOSEST = 32;

/** Drives the canvas; `split` is the divider, from 0 to 1 across what is seen of the picture. */
export function compareView(
  canvas: HTMLCanvasElement,
  split: HTMLInputElement,
): View & { zoom(factor: number): void; whole(): void } {
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  const matrix = mat3.create();
  let before: ImageBitmap | OffscreenCanvas | undefined;
  let after: ImageBitmap | OffscreenCanvas | undefined;
  let fitted = true;
  let drawn = 0;

  const ratio = () => window.devicePixelRatio || 1;
  const scale = () => matrix[0];
  const middle = () => vec2.fromValues(canvas.width / 2, canvas.height / 2);
  /** Corners of the picture on the canvas. */
  const corners = () => {
    const of = (x: number, y: number) => vec2.transformMat3(vec2.create(), [x, y], matrix);
    return [of(0, 0), of(before?.width ?? 0, before?.height ?? 0)] as const;
  };

  const whole = () => {
    if (!before) return;
    const s = Math.min(canvas.width / before.width, canvas.height / before.height);
    mat3.fromTranslation(matrix, middle());
    mat3.scale(matrix, matrix, [s, s]);
    mat3.translate(matrix, matrix, [-before.width / 2, -before.height / 2]);
    fitted = true;
    canvas.classList.remove("zoomed");
    draw();
  };

  /** Moves on the canvas, then keeps the picture where it can be seen: centred when it is smaller, edge to edge when not. */
  const move = (by: vec2) => {
    mat3.multiply(matrix, mat3.fromTranslation(mat3.create(), by), matrix);
    const [from, to] = corners();
    const back = [canvas.width, canvas.height].map((room, axis) => {
      const [low, high] = [from[axis] as number, to[axis] as number];
      if (high - low <= room) return (room - low - high) / 2;
      return low > 0 ? -low : high < room ? room - high : 0;
    });
    mat3.multiply(matrix, mat3.fromTranslation(mat3.create(), back as [number, number]), matrix);
    draw();
  };

  const zoomAt = (point: vec2, factor: number) => {
    if (!before) return;
    const least = Math.min(canvas.width / before.width, canvas.height / before.height);
    const wanted = Math.min(Math.max(scale() * factor, least), Math.max(CLOSEST * ratio(), least));
    if (wanted <= least * 1.001) return whole();
    const s = wanted / scale();
    const about = mat3.fromTranslation(mat3.create(), point);
    mat3.scale(about, about, [s, s]);
    mat3.translate(about, about, vec2.negate(vec2.create(), point));
    mat3.multiply(matrix, about, matrix);
    fitted = false;
    canvas.classList.add("zoomed");
    move(vec2.create());
  };

  /** Where the divider stands, and how much of the picture's width is seen. */
  const divider = () => {
    const [from, to] = corners();
    const [left, right] = [Math.max(0, from[0]), Math.min(canvas.width, to[0])];
    return { left, right, x: left + Number(split.value) * (right - left) };
  };

  const draw = () => {
    cancelAnimationFrame(drawn);
    drawn = requestAnimationFrame(() => {
      pen.resetTransform();
      pen.clearRect(0, 0, canvas.width, canvas.height);
      if (!before) return;
      const { x } = divider();
      const paint = (image: ImageBitmap | OffscreenCanvas, from: number, to: number) => {
        pen.save();
        pen.beginPath();
        pen.rect(from, 0, to - from, canvas.height);
        pen.clip();
        const [a, b, , c, d, , e, f] = matrix;
        pen.setTransform(a, b, c, d, e, f);
        pen.imageSmoothingEnabled = scale() < 2.5 * ratio();
        pen.imageSmoothingQuality = "high";
        // both are drawn over the same rectangle, whatever their sizes
        pen.drawImage(image, 0, 0, before?.width ?? 0, before?.height ?? 0);
        pen.restore();
      };
      paint(before, 0, after ? x : canvas.width);
      if (!after) return;
      paint(after, x, canvas.width);
      const r = ratio();
      pen.fillStyle = "#fff";
      pen.shadowColor = "rgb(0 0 0 / 60%)";
      pen.shadowBlur = 6 * r;
      pen.fillRect(x - r, 0, 2 * r, canvas.height);
      pen.beginPath();
      pen.arc(x, canvas.height / 2, 11 * r, 0, 2 * Math.PI);
      pen.fill();
      pen.shadowBlur = 0;
    });
  };

  const at = (event: MouseEvent): vec2 => {
    const box = canvas.getBoundingClientRect();
    return vec2.scale(vec2.create(), [event.clientX - box.left, event.clientY - box.top], ratio());
  };
  const pointers = new Map<number, vec2>();
  let splitting = false;
  const nearDivider = (p: vec2) => after !== undefined && (fitted || Math.abs(p[0] - divider().x) < 24 * ratio());

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    splitting = pointers.size === 1 && nearDivider(at(event));
    if (splitting) moveDivider(at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const then = pointers.get(event.pointerId);
    canvas.classList.toggle("splitting", splitting || (!then && nearDivider(now)));
    if (!then) return;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) {
      const factor = vec2.distance(now, other) / Math.max(1, vec2.distance(then, other));
      zoomAt(vec2.lerp(vec2.create(), now, other, 0.5), factor);
    } else if (splitting) moveDivider(now);
    else move(vec2.subtract(vec2.create(), now, then));
  });
  for (const end of ["pointerup", "pointercancel"] as const)
    canvas.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      splitting = false;
    });
  const moveDivider = (p: vec2) => {
    const { left, right } = divider();
    split.value = String((p[0] - left) / Math.max(1, right - left));
    draw();
  };
  // a trackpad's pinch arrives as a wheel with ctrl; the bare wheel scrolls the page as everywhere
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomAt(at(event), Math.exp(-event.deltaY / 150));
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => (fitted ? zoomAt(at(event), 4) : whole()));
  const STEP = 48;
  const keys: Record<string, () => void> = {
    "+": () => zoomAt(middle(), 1.5),
    "=": () => zoomAt(middle(), 1.5),
    "-": () => zoomAt(middle(), 1 / 1.5),
    "0": whole,
    ArrowLeft: () => move([STEP, 0]),
    ArrowRight: () => move([-STEP, 0]),
    ArrowUp: () => move([0, STEP]),
    ArrowDown: () => move([0, -STEP]),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || (fitted && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    act();
  });
  split.addEventListener("input", draw);

  new ResizeObserver(() => {
    canvas.width = Math.round(canvas.clientWidth * ratio());
    canvas.height = Math.round(canvas.clientHeight * ratio());
    if (fitted) whole();
    else move(vec2.create());
  }).observe(canvas);

  return {
    whole,
    zoom: (factor) => zoomAt(middle(), factor),
    show(left, right) {
      const same = left.width === before?.width && left.height === before.height;
      before = left;
      after = right;
      if (fitted || !same) whole();
      else draw();
    },
  };
}
