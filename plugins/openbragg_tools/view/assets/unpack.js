// Arrays of the page's elements: base 64, deflated, bytes of one significance together.

const TYPES = {
  u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array,
  u4: Uint32Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};

function bytesOf(text) {
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = letters.charCodeAt(place);
  return bytes;
}

async function unpack(text, type) {
  const planes = await inflated(bytesOf(text));
  const kind = TYPES[type], width = kind.BYTES_PER_ELEMENT, length = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    const start = plane * length;
    for (let place = 0, to = plane; place < length; place++, to += width) bytes[to] = planes[start + place];
  }
  return new kind(bytes.buffer);
}

function element(id, type) {
  return unpack(document.getElementById(id).textContent, type);
}

// The arrays of an image: its pixels, which are masked (a bit each, lowest first), and its predicted spots.
async function readImage(about, number) {
  const image = { ...about, number, pixels: await element(`pixels-${number}`, about.type), bits: null, predicted: [] };
  if (about.masked) image.bits = await element(`masked-${number}`, "u1");
  if (about.spots) {
    const parts = {};
    for (const [name, type] of Object.entries(about.spotTypes)) parts[name] = await element(`spots-${name}-${number}`, type);
    for (let spot = 0; spot < about.spots; spot++) {
      const [fast, slow, phi] = parts.places.subarray(3 * spot, 3 * spot + 3);
      const indices = Array.from(parts.indices.subarray(3 * spot, 3 * spot + 3));
      const amplitude = parts.amplitudes ? parts.amplitudes[spot] : null;
      image.predicted.push({ indices, fast, slow, phi, amplitude, crosses: parts.crosses[spot] === 1 });
    }
  }
  return image;
}

function isMasked(image, place) {
  return image.bits !== null && ((image.bits[place >> 3] >> (place & 7)) & 1) === 1;
}
