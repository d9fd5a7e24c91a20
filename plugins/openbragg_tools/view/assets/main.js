// The page: its images are unpacked when they are first shown, and the last few are kept.

const KEPT_IMAGES = 4;

async function start() {
  const about = JSON.parse(byId("about").textContent);
  const maps = { masked: colour(...about.masked) };
  for (const [name, text] of Object.entries(about.maps)) {
    const bytes = await unpack(text, "u1");
    maps[name] = Uint32Array.from({ length: 256 }, (_, shade) => colour(...bytes.subarray(3 * shade, 3 * shade + 3)));
  }
  about.images.forEach(({ name }, number) => byId("choice").add(new Option(name, String(number))));
  const viewer = new Viewer(byId("view"), about, maps), images = new Map();
  let wanted = 0;

  async function open(number) {
    wanted = number;
    if (!images.has(number)) {
      byId("message").textContent = "Unpacking the image…";
      // Let the message be seen.
      await new Promise((done) => setTimeout(done, 20));
      images.set(number, await readImage(about.images[number], number));
      if (images.size > KEPT_IMAGES) images.delete([...images.keys()].find((key) => key !== number));
    }
    if (wanted !== number) return;
    byId("message").textContent = "";
    viewer.resize();
    viewer.show(images.get(number));
    controls.opened(images.get(number));
  }

  const controls = new Controls(viewer, open);
  controls.colours(about.colours);
  await open(0);
  // For whoever looks at the page from its console.
  const rings = () => chosenRings(viewer.image.geometry, viewer.scale / viewer.ratio).map(({ d }) => d);
  window.openbragg = { viewer, controls, open, readOut, rings };
  document.documentElement.dataset.ready = "true";
}

// A colour as a canvas stores it.
function colour(red, green, blue) {
  return new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0];
}

start().catch((error) => {
  byId("message").textContent = `The images cannot be shown: ${error.message}`;
});
