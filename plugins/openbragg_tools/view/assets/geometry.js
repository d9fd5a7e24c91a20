// What a place of the detector sees; metres and radians, places in pixels (fast, slow) from the first one's outer corner.

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const combined = (s, a, t, b) => [s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]];
const scaled = (s, a) => [s * a[0], s * a[1], s * a[2]];
const unit = (a) => scaled(1 / Math.sqrt(dot(a, a)), a);

function panelAt(geometry, fast, slow) {
  return geometry.panels.find(({ first, pixels }) =>
    slow >= first[0] && slow < first[0] + pixels[0] && fast >= first[1] && fast < first[1] + pixels[1]);
}

// The scattering vector q = (d - i) / wavelength at a place, in 1/m; null between panels.
function scatteringAt(geometry, fast, slow) {
  const panel = panelAt(geometry, fast, slow);
  if (!panel) return null;
  const along = panel.pixelSize * (fast - panel.first[1]), down = panel.pixelSize * (slow - panel.first[0]);
  const position = combined(1, combined(1, panel.origin, along, panel.fast), down, panel.slow);
  return scaled(1 / geometry.wavelength, combined(1, unit(position), -1, geometry.beam));
}

const resolutionOf = (q) => 1 / Math.sqrt(dot(q, q));

// Rodrigues' formula: a vector turned right-handed about the spindle.
function turned(geometry, vector, phi) {
  const axis = geometry.spindle, cosine = Math.cos(phi), sine = Math.sin(phi);
  const across = combined(cosine, vector, sine, cross(axis, vector));
  return combined(1, across, (1 - cosine) * dot(axis, vector), axis);
}

// h k l of a scattering vector for the crystal at a spindle angle: q . a, q . b, q . c.
function indicesOf(geometry, q, phi) {
  return geometry.cell.map((axis) => dot(q, turned(geometry, axis, phi)));
}

// Where a ray from the crystal meets a panel, also beyond its edges: null where it leaves the other way.
function meets(panel, direction) {
  const normal = cross(panel.fast, panel.slow);
  const time = dot(panel.origin, normal) / dot(direction, normal);
  if (!(time > 0) || !Number.isFinite(time)) return null;
  const spot = combined(time, direction, -1, panel.origin);
  // Fast and slow may be oblique and of any length: what is across one of them has nothing of it.
  const area = panel.pixelSize * dot(normal, normal);
  return [dot(spot, cross(panel.slow, normal)) / area, dot(spot, cross(normal, panel.fast)) / area];
}

function onPanel(panel, place) {
  return place !== null && place[0] >= 0 && place[0] <= panel.pixels[1] && place[1] >= 0 && place[1] <= panel.pixels[0];
}

function inImage(panel, place) {
  return [place[0] + panel.first[1], place[1] + panel.first[0]];
}

// Where the beam meets the detector, in the image; null where it misses all panels.
function beamSpot(geometry) {
  for (const panel of geometry.panels) {
    const place = meets(panel, geometry.beam);
    if (onPanel(panel, place)) return inImage(panel, place);
  }
  return null;
}

// The places of one d spacing: lines of places in the image, each on one panel.
function ring(geometry, d, steps = 360) {
  const sine = geometry.wavelength / (2 * d);
  if (!(sine < 1)) return [];
  const angle = 2 * Math.asin(sine);
  const least = geometry.beam.map(Math.abs).indexOf(Math.min(...geometry.beam.map(Math.abs)));
  const right = unit(cross(geometry.beam, [0, 1, 2].map((axis) => (axis === least ? 1 : 0))));
  const up = cross(geometry.beam, right);
  const lines = [];
  for (const panel of geometry.panels) {
    let line = [];
    for (let step = 0; step <= steps; step++) {
      const turn = (2 * Math.PI * step) / steps;
      const away = combined(Math.cos(turn), right, Math.sin(turn), up);
      const place = meets(panel, combined(Math.cos(angle), geometry.beam, Math.sin(angle), away));
      if (onPanel(panel, place)) line.push(inImage(panel, place));
      if ((!onPanel(panel, place) || step === steps) && line.length) {
        if (line.length > 1) lines.push(line);
        line = [];
      }
    }
  }
  return lines;
}

// The nearest predicted spot within some pixels of a place.
function spotNear(image, fast, slow, distance) {
  let best = null, least = distance * distance;
  for (const spot of image.predicted) {
    const squared = (spot.fast - fast) ** 2 + (spot.slow - slow) ** 2;
    if (squared < least || (squared === least && !best)) [best, least] = [spot, squared];
  }
  return best;
}

// All that is known of a pixel: indices are counted from 0, and geometry is that of its middle.
function readOut(image, fast, slow) {
  const place = slow * image.fast + fast, { geometry } = image;
  const found = { fast, slow, masked: isMasked(image, place), counts: image.pixels[place] };
  found.overloaded = !found.masked && image.overload !== null && found.counts >= image.overload;
  const q = geometry && scatteringAt(geometry, fast + 0.5, slow + 0.5);
  if (!q) return found;
  found.resolution = resolutionOf(q) * 1e10;
  found.twotheta = (2 * Math.asin(Math.min(1, (geometry.wavelength * Math.sqrt(dot(q, q))) / 2)) * 180) / Math.PI;
  if (!geometry.cell) return found;
  found.spot = spotNear(image, fast + 0.5, slow + 0.5, 2.5);
  found.phi = found.spot ? found.spot.phi : geometry.start + geometry.range / 2;
  found.indices = indicesOf(geometry, q, found.phi);
  found.nearest = found.spot ? found.spot.indices : found.indices.map((index) => Math.round(index) || 0);
  return found;
}
