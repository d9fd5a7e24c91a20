// What is drawn over the pixels: rings, predicted spots, the beam, the pixel that is read out.

const RINGS = [100, 50, 30, 20, 15, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3, 2.7, 2.5, 2.3, 2.1, 2, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3,
  1.2, 1.1, 1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3];
// Screen pixels between two rings, at least.
const BETWEEN_RINGS = 70;
// Spots on the screen of which all can have labels: of the whole image, and where one has zoomed in. More circles are pale.
const FEW_SPOTS = 40, SPOTS_NEARBY = 250, MANY_SPOTS = 600;

// Rings that are some way apart on the screen, from the beam outward; lines of places in the image.
function chosenRings(geometry, scale) {
  const spot = beamSpot(geometry), panel = geometry.panels[0];
  const distance = Math.sqrt(dot(panel.origin, panel.origin));
  const rings = [];
  let last = 0;
  for (const d of RINGS) {
    const sine = geometry.wavelength / (2 * d * 1e-10);
    if (sine >= 1) break;
    const lines = ring(geometry, d * 1e-10);
    if (!lines.length) continue;
    // About how far from the beam it lies.
    const away = spot ? Math.hypot(lines[0][0][0] - spot[0], lines[0][0][1] - spot[1]) : (2 * sine * distance) / panel.pixelSize;
    if (Math.abs(away - last) * scale < BETWEEN_RINGS) continue;
    last = away;
    rings.push({ d, lines });
  }
  return rings;
}

function drawRings(context, view, image, ratio) {
  context.lineWidth = 1.25 * ratio;
  context.strokeStyle = view.ink.ring;
  context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { d, lines } of chosenRings(image.geometry, view.scale / ratio)) {
    const labels = [];
    for (const line of lines) {
      context.beginPath();
      line.forEach((place, number) => {
        const [x, y] = view.toCanvas(place);
        if (number) context.lineTo(x, y);
        else context.moveTo(x, y);
        labels.push([x, y]);
      });
      context.stroke();
    }
    const place = labelPlace(labels, view, ratio);
    if (place) drawLabel(context, view, `${d} Å`, place, ratio, view.ink.ring);
  }
}

// Where on a ring its label can be read: the point nearest to the upper right, away from the edges.
function labelPlace(points, { canvas }, ratio) {
  const margin = 26 * ratio;
  let best = null, most = -Infinity;
  for (const [x, y] of points) {
    if (x < margin || y < margin / 2 || x > canvas.width - margin || y > canvas.height - margin / 2) continue;
    if (x - y > most) [best, most] = [[x, y], x - y];
  }
  return best;
}

function drawLabel(context, view, text, [x, y], ratio, ink) {
  context.lineJoin = "round";
  context.lineWidth = 3.5 * ratio;
  context.strokeStyle = view.ink.halo;
  context.strokeText(text, x, y);
  context.fillStyle = ink;
  context.fillText(text, x, y);
  context.lineWidth = 1.25 * ratio;
  context.strokeStyle = view.ink.ring;
}

function drawSpots(context, view, image, ratio) {
  const { canvas } = view;
  const shown = [];
  const margin = 8 * ratio;
  for (const spot of image.predicted) {
    const [x, y] = view.toCanvas([spot.fast, spot.slow]);
    if (x < -margin || y < -margin || x > canvas.width + margin || y > canvas.height + margin) continue;
    shown.push({ spot, x, y });
  }
  const radius = Math.max(3 * ratio, Math.min(2.5 * view.scale, 14 * ratio));
  context.lineWidth = 1.1 * ratio;
  // So many would hide the image.
  context.globalAlpha = shown.length > MANY_SPOTS ? Math.max(0.25, Math.min(1, MANY_SPOTS / shown.length + 0.2)) : 1;
  context.strokeStyle = view.ink.spot;
  for (const crosses of [true, false]) {
    context.setLineDash(crosses ? [] : [2 * ratio, 2 * ratio]);
    context.beginPath();
    for (const { spot, x, y } of shown) {
      if (spot.crosses !== crosses) continue;
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  // So many would hide the image.
  if (!view.labels || shown.length > (view.scale > 1.5 * view.fittingScale ? SPOTS_NEARBY : FEW_SPOTS)) return;
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  const taken = [];
  for (const { spot, x, y } of shown) {
    const text = spot.indices.join(" "), left = x + radius + 3 * ratio, right = left + context.measureText(text).width;
    // One label over another could not be read.
    if (taken.some((other) => Math.abs(other.y - y) < 13 * ratio && left < other.right && other.left < right)) continue;
    taken.push({ left, right, y });
    drawLabel(context, view, text, [left, y], ratio, view.ink.spot);
  }
}

function drawBeam(context, view, image, ratio) {
  const spot = beamSpot(image.geometry);
  if (!spot) return;
  const [x, y] = view.toCanvas(spot);
  drawCross(context, x, y, 9 * ratio, 2 * ratio, view.ink.ring, ratio);
}

function drawPin(context, view, ratio) {
  const { fast, slow } = view.pin;
  const [left, top] = view.toCanvas([fast, slow]);
  const side = Math.max(view.scale, 5 * ratio);
  const x = left + view.scale / 2 - side / 2, y = top + view.scale / 2 - side / 2;
  context.lineWidth = 2.5 * ratio;
  context.strokeStyle = view.ink.halo;
  context.strokeRect(x, y, side, side);
  context.lineWidth = 1.25 * ratio;
  context.strokeStyle = view.ink.pin;
  context.strokeRect(x, y, side, side);
}

function drawCross(context, x, y, outer, inner, ink, ratio) {
  context.lineWidth = 1.5 * ratio;
  context.strokeStyle = ink;
  context.beginPath();
  for (const [i, j] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + i * inner, y + j * inner);
    context.lineTo(x + i * outer, y + j * outer);
  }
  context.stroke();
}
