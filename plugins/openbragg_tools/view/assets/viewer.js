// The canvas: which part of an image is shown, how large, in which colours.

const LARGEST_SCALE = 128;
// Steps between the two ends of the contrast, and what part of the colours each way to grow gives to a part of the values.
const STEPS = 4096, CURVES = {
  linear: (part) => part,
  root: (part) => Math.sqrt(part),
  log: (part) => Math.log1p(1000 * part) / Math.log1p(1000),
};

class Viewer {
  constructor(canvas, about, maps) {
    Object.assign(this, { canvas, about, maps });
    this.context = canvas.getContext("2d");
    this.image = null;
    this.map = about.colours;
    this.curve = "linear";
    this.pooling = "largest";
    this.contrast = [0, 1];
    this.rings = this.spots = this.labels = true;
    this.pin = null;
    // Canvas pixels for each of the image's, and the place of the image in the canvas' first corner.
    this.scale = 1;
    this.corner = [0, 0];
    this.fitted = true;
    this.waiting = false;
  }

  // Colours of what is drawn over the pixels: those that stand out from the map.
  get ink() {
    return this.map === "inverse"
      ? { ring: "#0b57d0", spot: "#b3261e", pin: "#7a3ff2", halo: "rgba(255,255,255,.85)" }
      : { ring: "#7ab8ff", spot: "#ffb4a9", pin: "#ffe14d", halo: "rgba(0,0,0,.8)" };
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const width = Math.max(1, Math.round(box.width * this.ratio)), height = Math.max(1, Math.round(box.height * this.ratio));
    if (width === this.canvas.width && height === this.canvas.height) return;
    const middle = this.toImage([this.canvas.width / 2, this.canvas.height / 2]);
    Object.assign(this.canvas, { width, height });
    if (this.fitted) this.fit();
    else this.centre(middle);
  }

  show(image) {
    const other = !this.image || image.fast !== this.image.fast || image.slow !== this.image.slow;
    this.image = image;
    if (other) {
      this.pin = null;
      this.fit();
    }
    this.draw();
  }

  // The scale at which the whole image is just shown.
  get fittingScale() {
    return Math.min(this.canvas.width / this.image.fast, this.canvas.height / this.image.slow);
  }

  fit() {
    if (!this.image) return;
    this.scale = this.fittingScale;
    this.fitted = true;
    this.centre([this.image.fast / 2, this.image.slow / 2]);
  }

  centre([fast, slow]) {
    this.corner = [fast - this.canvas.width / 2 / this.scale, slow - this.canvas.height / 2 / this.scale];
    this.draw();
  }

  toCanvas([fast, slow]) {
    return [(fast - this.corner[0]) * this.scale, (slow - this.corner[1]) * this.scale];
  }

  toImage([x, y]) {
    return [this.corner[0] + x / this.scale, this.corner[1] + y / this.scale];
  }

  // Zoom by a factor and keep a place of the canvas where it is.
  zoom(factor, [x, y] = [this.canvas.width / 2, this.canvas.height / 2]) {
    this.zoomTo(this.scale * factor, [x, y]);
  }

  zoomTo(scale, [x, y] = [this.canvas.width / 2, this.canvas.height / 2]) {
    if (!this.image) return;
    const place = this.toImage([x, y]);
    this.scale = Math.min(LARGEST_SCALE * this.ratio, Math.max(this.fittingScale / 4, scale));
    this.fitted = false;
    this.corner = [place[0] - x / this.scale, place[1] - y / this.scale];
    this.keepInSight();
    this.draw();
  }

  pan(x, y) {
    this.corner = [this.corner[0] - x / this.scale, this.corner[1] - y / this.scale];
    this.fitted = false;
    this.keepInSight();
    this.draw();
  }

  // The middle of the canvas stays on the image.
  keepInSight() {
    const sizes = [this.image.fast, this.image.slow], shown = [this.canvas.width, this.canvas.height];
    this.corner = this.corner.map((start, axis) => {
      const half = shown[axis] / 2 / this.scale;
      return Math.min(sizes[axis], Math.max(0, start + half)) - half;
    });
  }

  // The pixel under a place of the canvas, or null.
  pixelAt(place) {
    if (!this.image) return null;
    const [fast, slow] = this.toImage(place).map(Math.floor);
    return fast >= 0 && slow >= 0 && fast < this.image.fast && slow < this.image.slow ? { fast, slow } : null;
  }

  // Bring a pixel into sight.
  reveal({ fast, slow }) {
    const [x, y] = this.toCanvas([fast + 0.5, slow + 0.5]);
    if (x < 0 || y < 0 || x > this.canvas.width || y > this.canvas.height) this.centre([fast + 0.5, slow + 0.5]);
  }

  // Where the middle of a pixel is in the window, in CSS pixels.
  inWindow(fast, slow) {
    const box = this.canvas.getBoundingClientRect(), [x, y] = this.toCanvas([fast + 0.5, slow + 0.5]);
    return [box.left + x / this.ratio, box.top + y / this.ratio];
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.image) this.paint();
    });
  }

  paint() {
    const { context, image, ratio } = this;
    this.paintPixels();
    if (image.geometry) {
      if (this.spots && image.predicted.length) drawSpots(context, this, image, ratio);
      if (this.rings) {
        drawRings(context, this, image, ratio);
        drawBeam(context, this, image, ratio);
      }
    }
    if (this.pin) drawPin(context, this, ratio);
  }

  // The colour of each step of the contrast.
  steps() {
    const map = this.maps[this.map], curve = CURVES[this.curve];
    return Uint32Array.from({ length: STEPS }, (_, step) => map[Math.floor(curve(step / (STEPS - 1)) * 255 + 0.5)]);
  }

  // One value for each pixel of the canvas: what is not shown is not touched.
  paintPixels() {
    const { canvas, context, image, scale } = this;
    const number = levelFor(image, this.pooling, scale), level = levelsOf(image, this.pooling)[number], step = 2 ** number;
    const { width, height } = canvas;
    if (!this.raster || this.raster.width !== width || this.raster.height !== height) {
      this.raster = context.createImageData(width, height);
    }
    const out = new Uint32Array(this.raster.data.buffer).fill(0);
    const columns = new Int32Array(width);
    for (let x = 0; x < width; x++) {
      const fast = Math.floor(this.corner[0] + (x + 0.5) / scale);
      columns[x] = fast >= 0 && fast < image.fast ? Math.floor(fast / step) : -1;
    }
    const [low, high] = this.contrast, factor = (STEPS - 1) / (high - low), map = this.steps();
    const { values, bits } = level, masked = this.maps.masked;
    for (let y = 0; y < height; y++) {
      const slow = Math.floor(this.corner[1] + (y + 0.5) / scale);
      if (slow < 0 || slow >= image.slow) continue;
      const row = Math.floor(slow / step) * level.fast, to = y * width;
      for (let x = 0; x < width; x++) {
        const column = columns[x];
        if (column < 0) continue;
        const value = values[row + column];
        if (value !== value || (bits && isMasked(level, row + column))) out[to + x] = masked;
        else {
          const shade = (value - low) * factor + 0.5;
          out[to + x] = map[shade <= 0 ? 0 : shade >= STEPS - 1 ? STEPS - 1 : shade | 0];
        }
      }
    }
    context.putImageData(this.raster, 0, 0);
  }
}
