// An image at half the size, and so on: each pixel the largest of four, so that no spot is lost when all is shown, or their
// mean, so that the background is as dark as it is.

function levelsOf(image, pooling) {
  image.pyramids ||= {};
  image.pyramids[pooling] ||= [{ fast: image.fast, slow: image.slow, values: image.pixels, bits: image.bits }];
  return image.pyramids[pooling];
}

// The level of which a screen pixel shows about one pixel; from level 1 on a masked pixel is NaN.
function levelFor(image, pooling, scale) {
  const wanted = Math.max(0, Math.ceil(Math.log2(1 / scale) - 0.3)), levels = levelsOf(image, pooling);
  const last = () => levels[levels.length - 1];
  while (levels.length <= wanted && Math.max(last().fast, last().slow) > 1) levels.push(halved(last(), pooling));
  return Math.min(wanted, levels.length - 1);
}

function halved(level, pooling) {
  const fast = Math.ceil(level.fast / 2), slow = Math.ceil(level.slow / 2);
  const values = new Float32Array(fast * slow), { fast: width, slow: height } = level;
  for (let row = 0; row < slow; row++) {
    for (let column = 0; column < fast; column++) {
      let largest = NaN, sum = 0, count = 0;
      for (let part = 0; part < 4; part++) {
        const x = 2 * column + (part & 1), y = 2 * row + (part >> 1), place = y * width + x;
        if (x >= width || y >= height || (level.bits && isMasked(level, place))) continue;
        const value = level.values[place];
        if (value !== value) continue;
        if (!(largest >= value)) largest = value;
        sum += value;
        count++;
      }
      values[row * fast + column] = pooling === "mean" ? sum / count : largest;
    }
  }
  return { fast, slow, values, bits: null };
}
