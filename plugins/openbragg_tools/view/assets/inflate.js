// Deflated bytes inflated: by the browser where it can, else here.

async function inflated(bytes) {
  if (typeof DecompressionStream === "undefined") return inflate(bytes);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// RFC 1951 in a zlib wrapper of RFC 1950, for browsers older than 2023.
function inflate(bytes) {
  let at = 2, held = 0, count = 0;
  let out = new Uint8Array(bytes.length * 4), size = 0;

  function bits(wanted) {
    while (count < wanted) {
      held |= bytes[at++] << count;
      count += 8;
    }
    const value = held & ((1 << wanted) - 1);
    held >>>= wanted;
    count -= wanted;
    return value;
  }

  function room(more) {
    if (size + more <= out.length) return;
    const larger = new Uint8Array(Math.max(out.length * 2, size + more));
    larger.set(out);
    out = larger;
  }

  // Of a canonical code: how many symbols have each length, and the symbols in the order of their codes.
  function codeOf(lengths) {
    const counts = new Uint16Array(16), starts = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
    for (const length of lengths) counts[length]++;
    counts[0] = 0;
    for (let length = 1; length < 15; length++) starts[length + 1] = starts[length] + counts[length];
    lengths.forEach((length, symbol) => { if (length) symbols[starts[length]++] = symbol; });
    return { counts, symbols };
  }

  function symbol({ counts, symbols }) {
    let code = 0, first = 0, index = 0;
    for (let length = 1; length < 16; length++) {
      code |= bits(1);
      const here = counts[length];
      if (code - first < here) return symbols[index + code - first];
      index += here;
      first = (first + here) << 1;
      code <<= 1;
    }
    throw new Error("the page is damaged");
  }

  // Extra bits grow by one for every four lengths, and for every two distances.
  function ranges(first, plain, group, symbolCount) {
    const base = [], extra = [];
    for (let number = 0, start = first; number < symbolCount; number++) {
      extra.push(number < plain ? 0 : Math.floor(number / group) - 1);
      base.push(start);
      start += 1 << extra[number];
    }
    return { base, extra };
  }
  const lengthsOf = ranges(3, 8, 4, 28), distancesOf = ranges(1, 4, 2, 30);
  lengthsOf.base.push(258);
  lengthsOf.extra.push(0);

  function copyStored() {
    held = count = 0;
    const length = bytes[at] | (bytes[at + 1] << 8);
    at += 4;
    room(length);
    out.set(bytes.subarray(at, at + length), size);
    at += length;
    size += length;
  }

  function readCodes() {
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    const literals = bits(5) + 257, distances = bits(5) + 1, given = bits(4) + 4;
    const meta = new Array(19).fill(0);
    for (let number = 0; number < given; number++) meta[order[number]] = bits(3);
    const code = codeOf(meta), lengths = [];
    while (lengths.length < literals + distances) {
      const found = symbol(code);
      if (found < 16) lengths.push(found);
      else {
        const value = found === 16 ? lengths[lengths.length - 1] : 0;
        const times = found === 16 ? 3 + bits(2) : found === 17 ? 3 + bits(3) : 11 + bits(7);
        for (let number = 0; number < times; number++) lengths.push(value);
      }
    }
    return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
  }

  function fixedCodes() {
    const lengths = Array.from({ length: 288 }, (_, value) => (value < 144 ? 8 : value < 256 ? 9 : value < 280 ? 7 : 8));
    return [codeOf(lengths), codeOf(new Array(30).fill(5))];
  }

  let last = 0;
  while (!last) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      copyStored();
      continue;
    }
    const [literal, distance] = kind === 1 ? fixedCodes() : readCodes();
    for (let found = symbol(literal); found !== 256; found = symbol(literal)) {
      if (found < 256) {
        room(1);
        out[size++] = found;
        continue;
      }
      const length = lengthsOf.base[found - 257] + bits(lengthsOf.extra[found - 257]);
      const way = symbol(distance);
      const back = distancesOf.base[way] + bits(distancesOf.extra[way]);
      room(length);
      for (let number = 0; number < length; number++, size++) out[size] = out[size - back];
    }
  }
  return out.subarray(0, size);
}
