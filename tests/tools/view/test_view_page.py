"""The page of ``openbragg view`` in a browser: what a person sees and reads."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from browser import chromium, open_page, settle, wait_for
from command_line import run
from openbragg.orchestrator.records.run import load_run
from openbragg_tools.view.page import plain_geometry
from openbragg_tools.view.reading import Shown
from viewing import only, scattering, simulate, turned

#: One browser for all of them.
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Path:
    """A folder with a page of a recorded image, and one of all its formats."""
    folder = tmp_path_factory.mktemp("viewed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(folder)
        mask = np.ones((70, 90), dtype="<u2")
        mask[30:33, :] = 0
        content = (folder / "a.img").read_bytes()
        header = int(content.split(b"HEADER_BYTES=")[1].split(b";")[0])
        (folder / "mask.img").write_bytes(content[:header] + mask.tobytes())
        simulate(folder, "-mask", "mask.img")
        assert run("view", "a.cbf").status == 0
        assert run("view", "a.cbf", "a.bin", "a.img", "--html", "all.html", "--contrast", "0", "300").status == 0
    return folder


@pytest.fixture
def image(folder: Path) -> Shown:
    return only(folder / "a.cbf")


@pytest.fixture
def page(browser: Any, folder: Path) -> Any:
    """The browser with the page of the one image."""
    open_page(browser, folder / "a.html")
    return browser


def read(browser: Any, name: str) -> str:
    text: str = browser.execute_script(f"return document.getElementById('out-{name}').value")
    return text


def click(browser: Any, fast: int, slow: int) -> None:
    """Click a pixel, as a mouse does."""
    from selenium.webdriver.common.action_chains import ActionChains

    x, y = browser.execute_script(f"return openbragg.viewer.inWindow({fast}, {slow})")
    chain = ActionChains(browser)
    chain.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    chain.click().perform()
    settle(browser)


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(browser)
    for key in keys:
        chain.send_keys(key)
    chain.perform()
    settle(browser)


def screenshot(browser: Any) -> NDArray[np.int64]:
    """The canvas as it is on the screen, (rows, columns, 3)."""
    box = browser.execute_script(
        "const b = document.getElementById('view').getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]"
    )
    left, top, right, bottom = map(round, box)
    shot = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"), dtype=np.int64)
    part: NDArray[np.int64] = shot[top:bottom, left:right]
    return part


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def test_a_click_on_a_predicted_spot_reads_its_pixel_counts_resolution_and_indices(page: Any, image: Shown) -> None:
    assert image.geometry is not None and image.geometry.cell is not None and image.spots is not None
    spots, checked = image.spots, 0
    for number in np.flatnonzero(spots.crosses)[::9]:
        fast, slow = int(spots.fast[number]), int(spots.slow[number])
        near = np.hypot(spots.fast - fast - 0.5, spots.slow - slow - 0.5)
        if np.argmin(near) != number or np.sort(near)[1] - near[number] < 1e-6 or image.frame.pixels[slow, fast] < 0:
            continue
        click(page, fast, slow)
        assert read(page, "pixel") == f"fast {fast}, slow {slow}"
        assert read(page, "counts") == str(image.frame.pixels[slow, fast])
        q = scattering(image.geometry, fast + 0.5, slow + 0.5)
        # Four decimals are shown below 10 A, else three.
        assert float(read(page, "resolution").removesuffix(" Å")) == pytest.approx(1e10 / np.linalg.norm(q), abs=6e-4)
        assert read(page, "nearest") == " ".join(map(str, spots.indices[number])) + " (predicted)"
        here = turned(image.geometry, image.geometry.cell, spots.phi[number]) @ q
        assert numbers(read(page, "indices")) == pytest.approx(here.tolist(), abs=6e-4)
        assert float(read(page, "phi").rstrip("°")) == pytest.approx(np.degrees(spots.phi[number]), abs=6e-4)
        page.execute_script("openbragg.controls.pinAt(null, false)")
        checked += 1
        if checked == 5:
            break
    assert checked >= 3


def test_the_read_out_of_a_pixel_is_that_of_a_trace(page: Any, image: Shown, folder: Path) -> None:
    assert image.geometry is not None
    loaded = load_run(folder / "run.json")
    random = np.random.default_rng(1)
    pixels = [(int(random.choice([*range(30), *range(33, 70)])), int(random.integers(90))) for _ in range(20)]
    simulation = loaded.simulation.evolve(precision="double")
    traces = [simulation.trace(slow, fast) for slow, fast in pixels]
    for (slow, fast), trace in zip(pixels, traces, strict=True):
        found = page.execute_script(
            f"const {{viewer}} = openbragg; const far = {{...viewer.image, predicted: []}};"
            f"far.geometry = {{...far.geometry, range: 0}}; return openbragg.readOut(far, {fast}, {slow})"
        )
        # Without a spot near it, and in the first of the trace's steps: the start of the exposure.
        expected = [float(getattr(trace.terms.index, name)[0, 0, 0, 0, 0, 0, 0]) for name in "hkl"]
        assert found["indices"] == pytest.approx(expected, abs=1e-10)
        scattered = [float(part.reshape(-1)[0]) for part in trace.terms.scattering]
        assert found["resolution"] == pytest.approx(1e10 / np.linalg.norm(scattered), rel=1e-13)
        assert found["nearest"] == np.rint(expected).tolist()


@pytest.mark.parametrize("old", [False, True], ids=["DecompressionStream", "own code"])
def test_the_page_unpacks_the_exact_images(browser: Any, folder: Path, old: bool) -> None:
    hide = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "delete window.DecompressionStream" if old else "window.untouched = true"},
    )
    try:
        open_page(browser, folder / "all.html")
        assert browser.execute_script("return typeof DecompressionStream === 'undefined'") is old
        for number, name in enumerate(("a.cbf", "a.bin", "a.img")):
            browser.execute_async_script(f"openbragg.open({number}).then(arguments[0])")
            kind, text = browser.execute_script(
                "const {image} = openbragg.viewer; const bytes = new Uint8Array(image.pixels.buffer);"
                "let text = ''; bytes.forEach((byte) => { text += String.fromCharCode(byte); });"
                "return [image.type, btoa(text)]"
            )
            shown = only(folder / name)
            values = np.frombuffer(base64.b64decode(text), dtype=f"<{kind}").reshape(70, 90)
            assert np.array_equal(values, shown.frame.pixels), name
            spots = browser.execute_script("return openbragg.viewer.image.predicted.map((s) => [...s.indices, s.phi])")
            assert shown.spots is not None
            assert np.array_equal(spots, np.column_stack([shown.spots.indices, shown.spots.phi]))
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", hide)


def test_the_screenshot_shows_rings_where_their_resolution_is(page: Any, image: Shown) -> None:
    assert image.geometry is not None
    press(page, "s")
    shown = page.execute_script("return openbragg.rings()")
    with_rings = screenshot(page)
    press(page, "r")
    without = screenshot(page)
    changed = np.argwhere(np.abs(without - with_rings).sum(axis=2) > 60)
    blue = with_rings[tuple(changed.T)] @ (-1, 0, 1)
    scale, left, top = page.execute_script("const v = openbragg.viewer; return [v.scale, ...v.corner]")
    places = np.array([left, top]) + (changed[:, ::-1] + 0.5) / scale
    spacing = np.array([1e10 / np.linalg.norm(scattering(image.geometry, *place)) for place in places])
    (panel,) = image.geometry.panels
    beam = np.array([-panel.origin @ panel.fast, -panel.origin @ panel.slow]) / panel.pixel_size
    directions = np.degrees(np.arctan2(*(places - beam).T)) // 10
    sides = [(beam[0], 0.0), (beam[0], 70.0), (0.0, beam[1]), (90.0, beam[1])]
    edge = max(1e10 / np.linalg.norm(scattering(image.geometry, *side)) for side in sides)
    assert len(shown) >= 3 and max(shown) > edge
    # Spacings by half pixels of the image: a ring runs between those above its own and those below.
    halves = np.array(
        [[1e10 / np.linalg.norm(scattering(image.geometry, x / 2, y / 2)) for x in range(181)] for y in range(141)]
    )
    for d in shown:
        # The line is a screen pixel wide and its edges are smooth, which is two or three of them in each row or column.
        inside = halves > d
        length = max(int(np.diff(inside, axis=axis).sum()) for axis in (0, 1)) * scale / 2
        on_ring = np.abs(spacing / d - 1.0) < 0.03
        assert length > 0 and on_ring.sum() > 2 * length, d
        # Lines are smooth, and some lie on masked pixels and under labels.
        assert np.median(blue[on_ring]) > 40, d
        if d > edge:
            # Within the detector a ring goes round the beam, but for its label.
            assert len(np.unique(directions[on_ring])) >= 30, d
    # What else changed are the labels and the cross in the middle.
    near = np.abs(spacing[:, np.newaxis] / np.array(shown) - 1.0).min(axis=1) < 0.03
    assert near.mean() > 0.6


def test_the_screen_shows_the_shades_of_the_pixels(page: Any, image: Shown) -> None:
    for name in ("rings", "spots"):
        page.execute_script(f"document.getElementById('{name}').click()")
    page.execute_script("openbragg.controls.contrast([0, 200], true); openbragg.controls.colours('grey')")
    settle(page)
    shot = screenshot(page)
    for slow, fast in ((0, 0), (12, 40), (31, 5), (69, 89), (50, 50)):
        x, y = page.execute_script(f"return openbragg.viewer.toCanvas([{fast} + .5, {slow} + .5])")
        value = int(image.frame.pixels[slow, fast])
        shade = min(255, int(max(0.0, value / 200.0) * 255 + 0.5))
        expected = [150, 60, 70] if value < 0 else [shade] * 3
        # The page has 4096 steps between the ends.
        assert shot[int(y), int(x)] == pytest.approx(expected, abs=1), (slow, fast)


def test_masked_pixels_read_masked(page: Any, image: Shown) -> None:
    assert image.frame.masked is not None and image.frame.masked[31, 20]
    click(page, 20, 31)
    assert read(page, "counts") == "masked"


def test_the_wheel_zooms_at_the_cursor_and_a_drag_moves(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    canvas = page.find_element("id", "view")
    before = page.execute_script("return openbragg.viewer.scale")
    ActionChains(page).scroll_from_origin(ScrollOrigin.from_element(canvas, 100, 50), 0, -200).perform()
    settle(page)
    after = page.execute_script("return openbragg.viewer.scale")
    assert after == pytest.approx(before * np.exp(0.4), rel=1e-6)
    corner = page.execute_script("return openbragg.viewer.corner")
    ActionChains(page).drag_and_drop_by_offset(canvas, 60, -30).perform()
    settle(page)
    moved = page.execute_script("return openbragg.viewer.corner")
    assert moved == pytest.approx([corner[0] - 60 / after, corner[1] + 30 / after], abs=1e-6)
    assert page.execute_script("return openbragg.viewer.pin") is None


def test_keys_reach_everything(browser: Any, folder: Path) -> None:
    open_page(browser, folder / "all.html")
    press(browser, "n")
    wait_for(browser, "openbragg.viewer.image.number === 1")
    assert browser.execute_script("return document.title") == "a.bin"
    press(browser, "p")
    wait_for(browser, "openbragg.viewer.image.number === 0")
    scale = browser.execute_script("return openbragg.viewer.scale")
    press(browser, "+")
    assert browser.execute_script("return openbragg.viewer.scale") > scale
    press(browser, "0", "c")
    assert browser.execute_script("return [openbragg.viewer.scale, openbragg.viewer.map]") == [scale, "grey"]
    assert browser.execute_script("return openbragg.viewer.contrast") == [0, 300]
    press(browser, "]")
    assert browser.execute_script("return openbragg.viewer.contrast[1]") > 300
    press(browser, "?")
    assert browser.execute_script("return document.getElementById('keys').open") is True
    press(browser, "\ue00c")
    assert browser.execute_script("return document.getElementById('keys').open") is False


def test_a_reflection_is_gone_to_by_its_indices(page: Any, image: Shown) -> None:
    assert image.spots is not None
    number = int(np.flatnonzero(image.spots.crosses)[4])
    indices = " ".join(map(str, image.spots.indices[number]))
    press(page, "g", indices, "\ue007")
    assert read(page, "pixel") == f"fast {int(image.spots.fast[number])}, slow {int(image.spots.slow[number])}"
    press(page, "\ue00c", "g")
    page.execute_script("document.getElementById('place').value = '99 99 99'")
    press(page, "\ue007")
    assert page.execute_script("return document.getElementById('message').textContent") == (
        "99 99 99 is not predicted on this image."
    )


def test_the_canvas_follows_the_window(page: Any) -> None:
    size = page.get_window_size()
    try:
        page.set_window_size(800, 700)
        wait_for(page, "document.getElementById('view').width <= 800")
        width, height = page.execute_script("const c = openbragg.viewer.canvas; return [c.width, c.height]")
        box = page.execute_script(
            "const b = openbragg.viewer.canvas.getBoundingClientRect(); return [b.width, b.height]"
        )
        assert [width, height] == [round(side) for side in box]
        # It was fitted, so it is fitted again.
        scale = page.execute_script("return openbragg.viewer.scale")
        assert scale == pytest.approx(min(width / 90, height / 70))
    finally:
        page.set_window_size(size["width"], size["height"])


def test_nothing_is_loaded_and_nothing_goes_wrong(page: Any, image: Shown) -> None:
    loaded = page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert page.get_log("browser") == []
    assert image.geometry is not None
    assert page.execute_script("return openbragg.viewer.image.geometry") == plain_geometry(image.geometry)


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.execute_script(
        "return [...document.querySelectorAll('button, input, select, canvas')].filter((each) => !(each.ariaLabel"
        " || each.labels?.length || each.textContent.trim() || each.ariaHidden)).map((each) => each.outerHTML)"
    )
    assert nameless == []


def labels(browser: Any) -> int:
    """How many spots have their indices beside them, as the page is drawn now."""
    return browser.execute_script(  # type: ignore[no-any-return]
        "const proto = CanvasRenderingContext2D.prototype, before = proto.fillText; let count = 0;"
        "proto.fillText = function (text, ...rest) { if (/^-?\\d+ -?\\d+ -?\\d+$/.test(text)) count += 1;"
        " return before.call(this, text, ...rest); };"
        "try { openbragg.viewer.paint(); } finally { proto.fillText = before; } return count;"
    )


def with_spots(browser: Any, count: int) -> None:
    """So many predicted spots on the page's image, evenly spread."""
    browser.execute_script(
        "const {viewer} = openbragg, count = arguments[0], across = Math.ceil(Math.sqrt(count));"
        "viewer.image.predicted = Array.from({length: count}, (_, number) => ({"
        " fast: 90 * ((number % across) + 0.5) / across, slow: 70 * (Math.floor(number / across) + 0.5) / across,"
        " indices: [1, 2, number], crosses: true, phi: 0, amplitude: null}));",
        count,
    )


def test_labels_appear_where_there_are_few_spots_and_where_one_has_zoomed_in(page: Any) -> None:
    press(page, "0")
    with_spots(page, 25)
    assert labels(page) == 25
    with_spots(page, 400)
    assert labels(page) == 0
    page.execute_script("openbragg.viewer.zoom(2.5)")
    settle(page)
    assert 20 < labels(page) < 100
    press(page, "l")
    assert labels(page) == 0
    press(page, "l")


@pytest.mark.parametrize("name", ["a.html", "all.html"])
def test_the_toolbar_stays_on_one_line_at_1200_pixels(browser: Any, folder: Path, name: str) -> None:
    size = browser.get_window_size()
    browser.set_window_size(1200, 800)
    try:
        open_page(browser, folder / name)
        width, height, wide, tops = browser.execute_script(
            "const header = document.querySelector('header');"
            "const middles = [...header.children].filter((each) => each.offsetParent).map((each) => {"
            " const box = each.getBoundingClientRect(); return (box.top + box.bottom) / 2; });"
            "return [innerWidth, header.offsetHeight, header.scrollWidth, middles]"
        )
        assert width == 1200 and wide <= 1200
        assert max(tops) - min(tops) < 4
        assert height < 50
    finally:
        browser.set_window_size(size["width"], size["height"])
