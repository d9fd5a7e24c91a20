// Buttons, keys, mouse and the read-out.

const byId = (id) => document.getElementById(id);
const degrees = (angle) => ((angle * 180) / Math.PI).toFixed(3);

// A number as a person reads it: whole ones whole, others with digits that matter; in single precision no more than it has.
function shownNumber(value) {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) >= 1e-3 && Math.abs(value) < 1e7 ? String(Number(value.toPrecision(7))) : value.toExponential(6);
  return digits.replace("e+", "e");
}

class Controls {
  constructor(viewer, open) {
    Object.assign(this, { viewer, open, hover: null, dragged: null, kept: false });
    this.buttons();
    this.contrastInputs();
    this.mouse();
    document.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => viewer.resize()).observe(viewer.canvas);
    const draw = viewer.paint.bind(viewer);
    viewer.paint = () => {
      draw();
      byId("zoom").value = `${this.zoomText()}%`;
    };
  }

  zoomText() {
    const percent = (100 * this.viewer.scale) / this.viewer.ratio;
    return percent < 10 ? percent.toFixed(1) : percent.toFixed(0);
  }

  buttons() {
    const { viewer } = this;
    const click = { smaller: () => viewer.zoom(1 / 1.5), larger: () => viewer.zoom(1.5), fit: () => viewer.fit(),
      real: () => viewer.zoomTo(viewer.ratio), previous: () => this.step(-1), next: () => this.step(1),
      auto: () => this.auto(), help: () => byId("keys").showModal() };
    for (const [id, act] of Object.entries(click)) byId(id).addEventListener("click", act);
    byId("choice").addEventListener("change", (event) => this.open(Number(event.target.value)));
    byId("colours").addEventListener("change", (event) => this.colours(event.target.value));
    for (const id of ["curve", "pooling"]) {
      byId(id).addEventListener("change", (event) => {
        viewer[id] = event.target.value;
        viewer.draw();
      });
    }
    byId("percentile").addEventListener("change", () => this.auto());
    for (const id of ["rings", "spots", "labels"]) {
      byId(id).addEventListener("change", (event) => {
        viewer[id] = event.target.checked;
        viewer.draw();
      });
    }
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.goTo(byId("place").value);
    });
  }

  // The other image, or one of the same look, is there.
  opened(image) {
    const { images } = this.viewer.about, { geometry } = image;
    byId("name").textContent = image.name;
    byId("name").title = image.name;
    document.title = image.name;
    byId("series").hidden = images.length < 2;
    byId("series").style.display = images.length < 2 ? "none" : "";
    byId("name").style.display = images.length < 2 ? "" : "none";
    byId("choice").value = String(image.number);
    byId("previous").disabled = image.number === 0;
    byId("next").disabled = image.number === images.length - 1;
    document.body.classList.toggle("no-geometry", !geometry);
    document.body.classList.toggle("no-crystal", !geometry || !geometry.cell);
    for (const id of ["rings"]) byId(id).disabled = !geometry;
    for (const id of ["spots", "labels"]) byId(id).disabled = !image.predicted.length;
    byId("source").textContent = geometry ? this.sourceOf(image) : `${image.fast} × ${image.slow} pixels, no geometry known`;
    this.viewer.canvas.setAttribute("aria-label", `${image.name}, ${image.fast} by ${image.slow} pixels`);
    if (!this.kept) this.contrast(image.contrast, false);
    else this.contrast(this.viewer.contrast, true);
    this.read();
  }

  // Where the numbers are from: one line under the read-out.
  sourceOf({ fast, slow, geometry, predicted }) {
    const { wavelength, start, range, cell, source } = geometry;
    return [`${fast} × ${slow} pixels`, `λ ${(wavelength * 1e10).toFixed(5)} Å`,
      range > 0 ? `φ ${degrees(start)}° to ${degrees(start + range)}°` : `still at φ ${degrees(start)}°`,
      `geometry from ${source}`, ...(cell ? [`${predicted.length} predicted spots`] : [])].join(" · ");
  }

  step(by) {
    const next = this.viewer.image.number + by;
    if (next >= 0 && next < this.viewer.about.images.length) this.open(next);
  }

  colours(name) {
    const { viewer } = this;
    viewer.map = name;
    byId("colours").value = name;
    const scale = byId("scale"), context = scale.getContext("2d"), strip = context.createImageData(scale.width, scale.height);
    const out = new Uint32Array(strip.data.buffer);
    out.forEach((_, place) => {
      out[place] = viewer.maps[name][Math.floor(((place % scale.width) / scale.width) * 256)];
    });
    context.putImageData(strip, 0, 0);
    viewer.draw();
  }

  // The next choice of a list, and then the first again.
  cycle(id) {
    const list = byId(id);
    list.selectedIndex = (list.selectedIndex + 1) % list.length;
    list.dispatchEvent(new Event("change"));
  }

  // Contrast. A slider goes through the values faster and faster: most pixels are dim.
  get span() {
    const { percentiles, contrast } = this.viewer.image;
    const least = Math.min(percentiles[0], contrast[0]), most = Math.max(percentiles[percentiles.length - 1], contrast[1]);
    const soft = Math.max((contrast[1] - least) / 20, (most - least) * 1e-6) || 1;
    return { least, soft, turns: Math.log(1 + (most - least) / soft) || 1 };
  }

  valueOf(part) {
    const { least, soft, turns } = this.span;
    return least + soft * (Math.exp(part * turns) - 1);
  }

  partOf(value) {
    const { least, soft, turns } = this.span;
    return Math.log(1 + Math.max(0, value - least) / soft) / turns;
  }

  contrast([low, high], kept) {
    const { viewer } = this;
    if (!(high > low)) return;
    this.kept = kept;
    viewer.contrast = [low, high];
    [["low", low], ["high", high]].forEach(([id, value]) => {
      byId(id).value = String(Number(value.toPrecision(5)));
      byId(`${id}-slide`).value = this.partOf(value);
      byId(`${id}-slide`).setAttribute("aria-valuetext", byId(id).value);
    });
    viewer.draw();
  }

  auto() {
    const { image, about } = this.viewer, wanted = Number(byId("percentile").value);
    const at = (percentile) => about.percentiles.findIndex((each) => each >= percentile - 1e-9);
    if (wanted === about.percentile) return this.contrast(image.contrast, false);
    const low = image.contrast[0], values = image.percentiles.slice(at(wanted));
    const high = values.find((value) => value > low);
    return this.contrast([low, high === undefined ? low + 1 : high], false);
  }

  contrastInputs() {
    const changed = { low: (value) => [value, this.viewer.contrast[1]], high: (value) => [this.viewer.contrast[0], value] };
    for (const [id, pair] of Object.entries(changed)) {
      byId(`${id}-slide`).addEventListener("input", (event) => this.contrast(pair(this.valueOf(Number(event.target.value))), true));
      byId(id).addEventListener("change", (event) => {
        const value = Number(event.target.value);
        if (Number.isFinite(value)) this.contrast(pair(value), true);
        this.contrast(this.viewer.contrast, this.kept);
      });
    }
  }

  slide(id, by) {
    const slider = byId(`${id}-slide`);
    slider.value = Number(slider.value) + by;
    slider.dispatchEvent(new Event("input"));
  }

  // Mouse and touch: drag to move, click to keep the read-out, wheel to zoom, two fingers for both.
  mouse() {
    const { canvas } = this.viewer, fingers = new Map();
    const placeOf = (event) => {
      const box = canvas.getBoundingClientRect(), { ratio } = this.viewer;
      return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    };
    const spread = () => {
      const [one, other] = [...fingers.values()];
      return { size: Math.hypot(one[0] - other[0], one[1] - other[1]), middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2] };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, placeOf(event));
      this.dragged = { from: placeOf(event), moved: fingers.size > 1 };
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = placeOf(event), last = fingers.get(event.pointerId);
      this.hover = place;
      if (last && this.dragged) {
        const before = fingers.size === 2 ? spread() : null;
        fingers.set(event.pointerId, place);
        if (before) {
          const after = spread();
          this.viewer.pan(after.middle[0] - before.middle[0], after.middle[1] - before.middle[1]);
          this.viewer.zoom(after.size / before.size, after.middle);
        } else {
          const [x, y] = this.dragged.from;
          this.dragged.moved ||= Math.hypot(place[0] - x, place[1] - y) > 4 * this.viewer.ratio;
          if (this.dragged.moved) {
            canvas.classList.add("held");
            this.viewer.pan(place[0] - last[0], place[1] - last[1]);
          } else fingers.set(event.pointerId, last);
        }
      }
      this.read();
    });
    const up = (event) => {
      const clicked = event.type === "pointerup" && this.dragged && !this.dragged.moved;
      if (clicked) this.pinAt(this.viewer.pixelAt(this.dragged.from));
      fingers.delete(event.pointerId);
      if (!fingers.size) this.dragged = null;
      canvas.classList.remove("held");
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.read();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1;
      this.viewer.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) * 0.002), placeOf(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.viewer.zoom(2, placeOf(event)));
  }

  // Keep the read-out at a pixel; at the one that is kept already, let go.
  pinAt(pixel, toggles = true) {
    const { viewer } = this, { pin } = viewer;
    viewer.pin = toggles && pin && pixel && pin.fast === pixel.fast && pin.slow === pixel.slow ? null : pixel;
    viewer.draw();
    this.read();
    this.speak();
  }

  movePin(fast, slow) {
    const { viewer } = this, { image } = viewer;
    const from = viewer.pin || viewer.pixelAt([viewer.canvas.width / 2, viewer.canvas.height / 2]) || { fast: 0, slow: 0 };
    const within = (value, size) => Math.min(size - 1, Math.max(0, value));
    const pixel = { fast: within(from.fast + fast, image.fast), slow: within(from.slow + slow, image.slow) };
    viewer.reveal(pixel);
    this.pinAt(pixel, false);
  }

  goTo(text) {
    const { viewer } = this, numbers = (text.match(/-?\d+/g) || []).map(Number);
    if (numbers.length === 2) {
      const [fast, slow] = numbers;
      if (fast < 0 || slow < 0 || fast >= viewer.image.fast || slow >= viewer.image.slow) return this.say("There is no such pixel.");
      return this.goToPixel({ fast, slow });
    }
    if (numbers.length !== 3) return this.say("Write a reflection as h k l, or a pixel as fast slow.");
    const spot = viewer.image.predicted.find(({ indices }) => indices.every((index, axis) => index === numbers[axis]));
    if (!spot) return this.say(`${numbers.join(" ")} is not predicted on this image.`);
    return this.goToPixel({ fast: Math.floor(spot.fast), slow: Math.floor(spot.slow) });
  }

  goToPixel(pixel) {
    const { viewer } = this;
    viewer.zoomTo(Math.max(viewer.scale, 8 * viewer.ratio));
    viewer.centre([pixel.fast + 0.5, pixel.slow + 0.5]);
    this.pinAt(pixel, false);
    viewer.canvas.focus();
  }

  say(text) {
    byId("message").textContent = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => { byId("message").textContent = ""; }, 4000);
  }

  // The read-out: at the kept pixel, else under the cursor.
  read() {
    const { viewer } = this;
    const pixel = viewer.pin || (this.hover && viewer.pixelAt(this.hover));
    document.body.classList.toggle("pinned", Boolean(viewer.pin));
    const found = pixel && readOut(viewer.image, pixel.fast, pixel.slow);
    const texts = found ? this.texts(found) : {};
    for (const name of ["pixel", "counts", "resolution", "twotheta", "nearest", "indices", "phi", "amplitude"]) {
      byId(`out-${name}`).value = texts[name] || "–";
    }
    return texts;
  }

  texts(found) {
    const texts = { pixel: `fast ${found.fast}, slow ${found.slow}` };
    texts.counts = found.masked ? "masked" : shownNumber(found.counts) + (found.overloaded ? " (overloaded)" : "");
    if (found.resolution === undefined) return texts;
    texts.resolution = Number.isFinite(found.resolution) ? `${found.resolution.toFixed(found.resolution < 10 ? 4 : 3)} Å` : "∞";
    texts.twotheta = `${found.twotheta.toFixed(3)}°`;
    if (!found.indices) return texts;
    texts.nearest = found.nearest.join(" ") + (found.spot ? " (predicted)" : "");
    texts.indices = found.indices.map((index) => index.toFixed(3)).join(" ");
    texts.phi = `${degrees(found.phi)}°`;
    if (found.spot && found.spot.amplitude !== null) texts.amplitude = found.spot.amplitude.toPrecision(4);
    return texts;
  }

  // The same for who listens, at a click or a key.
  speak() {
    const texts = this.read();
    byId("spoken").textContent = texts.pixel
      ? [texts.pixel, `counts ${texts.counts}`, texts.resolution, texts.nearest && `h k l ${texts.nearest}`].filter(Boolean).join(", ")
      : "";
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (event.target.matches("input:not([type=checkbox]):not([type=range]), select")) {
      if (event.key === "Escape") this.viewer.canvas.focus();
      return;
    }
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (arrows[event.key] && !event.target.matches("input")) {
      const [x, y] = arrows[event.key], { canvas } = this.viewer;
      if (event.shiftKey) this.movePin(x, y);
      else this.viewer.pan(-0.1 * x * canvas.width, -0.1 * y * canvas.height);
      event.preventDefault();
      return;
    }
    const at = this.hover || undefined;
    const act = { "+": () => this.viewer.zoom(1.25, at), "=": () => this.viewer.zoom(1.25, at), "-": () => this.viewer.zoom(0.8, at),
      0: () => this.viewer.fit(), 1: () => this.viewer.zoomTo(this.viewer.ratio, at), "[": () => this.slide("high", -0.02),
      "]": () => this.slide("high", 0.02), "{": () => this.slide("low", -0.02), "}": () => this.slide("low", 0.02),
      a: () => this.auto(), c: () => this.cycle("colours"), k: () => this.cycle("curve"), m: () => this.cycle("pooling"), n: () => this.step(1), p: () => this.step(-1),
      r: () => byId("rings").click(), s: () => byId("spots").click(), l: () => byId("labels").click(),
      g: () => byId("place").focus(), "?": () => byId("keys").showModal(), Escape: () => this.pinAt(null, false),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
