// An image at half the size, and so on: each pixel the largest of four, so that no spot is lost when all is shown.

function levelsOf(image) {
  if (!image.levels) image.levels = [{ fast: image.fast, slow: image.slow, values: image.pixels, bits: image.bits }];
  return image.levels;
}

// The level with which a screen pixel shows about one of its pixels; NaN is a masked pixel from level 1 on.
function levelFor(image, scale) {
  const wanted = Math.max(0, Math.ceil(Math.log2(1 / scale) - 0.3));
  const levels = levelsOf(image);
  while (levels.length <= wanted && Math.min(levels[levels.length - 1].fast, levels[levels.length - 1].slow) > 1) {
    levels.push(halved(levels[levels.length - 1]));
  }
  return Math.min(wanted, levels.length - 1);
}

function halved(level) {
  const fast = Math.ceil(level.fast / 2), slow = Math.ceil(level.slow / 2);
  const values = new Float32Array(fast * slow).fill(NaN);
  for (let row = 0; row < level.slow; row++) {
    const from = row * level.fast, to = (row >> 1) * fast;
    for (let column = 0; column < level.fast; column++) {
      const value = level.bits && isMasked(level, from + column) ? NaN : level.values[from + column];
      const place = to + (column >> 1);
      // Nothing is larger than NaN, and NaN than nothing.
      if (!(values[place] >= value) && value === value) values[place] = value;
    }
  }
  return { fast, slow, values, bits: null };
}
