"""An engine that may choose compiles once the work pays for it, says so before it begins, and does it once.

No compiler is needed: making code is replaced by counting how often it would be made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

import openbragg
from mosaic_model import experiment
from openbragg import Simulation, UsageError
from openbragg.engine.compiled.block import block_sums, with_tensors
from openbragg.engine.compiled.cache import Cache
from openbragg.engine.compiled.compilation import CompilationError
from openbragg.engine.compiled.engine import EAGER_GRADIENT_SECONDS_PER_TERM, EAGER_SECONDS_PER_TERM, Engine
from openbragg.engine.compiled.kinds import FORWARD
from openbragg.engine.compiled.loading import Wanted
from openbragg.engine.compiled.resident import RESIDENTS
from openbragg.engine.plan import Plan
from openbragg.engine.rendering import render_panel

FLAT = openbragg.plugin("structure_factors", "hkl", default_F=50.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of code that are made from now on, by the names of their notices; none can be."""
    seen: list[str] = []

    def compile_(self: Wanted, signature: Any) -> Any:
        seen.append(self.kind.title)
        raise CompilationError("counted")

    monkeypatch.setattr(Wanted, "_compile", compile_)
    return seen


def plan_of(shape: Any = "square", **changed: Any) -> Plan:
    return Simulation(experiment(**changed), structure_factors=FLAT, lattice_shape=shape).layout().plan


def render(plan: Plan, engine: Engine) -> torch.Tensor:
    return render_panel(plan, plan.panels[0], dtype=torch.float64, engine=engine).image


def engine_of(tmp_path: Path, said: list[str] | None = None, **options: Any) -> Engine:
    notices: Callable[[str], None] = (lambda line: None) if said is None else said.append
    return Engine(cache=Cache(tmp_path / "code"), threads=1, notices=notices, **options)


def spread(value: float = 0.02) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def uses_until_made(made: list[str], use: Callable[[], Any], most: int = 1000) -> int:
    for number in range(1, most):
        use()
        if made:
            return number
    raise AssertionError(f"nothing was compiled in {most} uses")


def test_uses_of_a_model_add_up_until_compiling_pays(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbragg.engine.compiled.engine.EAGER_SECONDS_PER_TERM", 1e-4)
    engine, plan = engine_of(tmp_path), plan_of()
    each = 20 * 24 * plan.terms_per_pixel() * 1e-4
    assert uses_until_made(made, lambda: render(plan, engine)) == int(0.25 * FORWARD.seconds / each) + 2
    assert made == ["sum"]


def test_another_orientation_is_the_same_model_and_another_engine_knows_nothing_of_it(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbragg.engine.compiled.engine.EAGER_SECONDS_PER_TERM", 1e-4)
    plans = [plan_of(misset=(0.1 * turn, 0.0, 0.0)) for turn in range(4)]
    engine, turn = engine_of(tmp_path), iter(range(1000))
    same = uses_until_made(made, lambda: render(plans[next(turn) % 4], engine))
    made.clear()
    fresh = engine_of(tmp_path)
    assert uses_until_made(made, lambda: render(plans[0], fresh)) == same


def test_what_is_foreseen_counts_at_once(tmp_path: Path, made: list[str]) -> None:
    plan = plan_of()
    enough = int(FORWARD.seconds / (20 * 24 * plan.terms_per_pixel() * EAGER_SECONDS_PER_TERM)) + 1
    render(plan, engine_of(tmp_path, images=enough // 2))
    assert made == []
    render(plan, engine_of(tmp_path, images=enough + 1))
    assert made == ["sum"]


def test_gradients_count_as_what_they_take(tmp_path: Path, made: list[str]) -> None:
    """A fit of a hundred steps on a small detector comes out compiled; as many images do not."""
    assert EAGER_GRADIENT_SECONDS_PER_TERM > 5 * EAGER_SECONDS_PER_TERM
    small = {"pixels": (128, 64), "mosaic_domains": 24, "steps": 1, "oversample": 1, "sensor_layers": 2}
    engine, still = engine_of(tmp_path), plan_of(**small)
    pixels = 128 * 64
    assert pixels * still.terms_per_pixel() == 128 * 128 * 24

    def loss() -> None:
        plan = plan_of(mosaic_spread=spread(), **small)
        # What the engine is asked is enough: nothing needs be computed.
        engine.differentiable_summer(plan, plan.panels[0], pixels)

    assert uses_until_made(made, loss) < 100
    assert made == ["sum"]
    made.clear()
    for _ in range(100):
        engine.summer(still, still.panels[0], 64 * 64)
    assert made == []


def test_eager_never_compiles(tmp_path: Path, made: list[str]) -> None:
    engine = engine_of(tmp_path, name="eager", images=1 << 40)
    render(plan_of(), engine)
    render(plan_of(mosaic_spread=spread()), engine)
    assert made == []


def test_one_line_says_what_is_compiled_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    before: list[list[str]] = []

    def compile_(self: Wanted, signature: Any) -> Any:
        before.append(list(said))
        raise CompilationError("counted")

    monkeypatch.setattr(Wanted, "_compile", compile_)
    render(plan_of(), engine_of(tmp_path, said, name="compiled"))
    assert before == [["compiling this model's sum, about 25 s the first time; it is kept for the next run"]]


def test_what_cannot_be_compiled_is_tried_and_said_once(tmp_path: Path, made: list[str]) -> None:
    said: list[str] = []
    engine, plan = engine_of(tmp_path, said, name="compiled"), plan_of()
    images = [render(plan, engine) for _ in range(4)]
    assert made == ["sum"]
    assert sum("no compiled code" in line for line in said) == 1
    assert all(torch.equal(image, images[0]) for image in images)


class Standing:
    """Stands for compiled code: the same sum, operation by operation."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.shapes: list[list[int | str]] = []
        self.dtypes: list[str] = []

    def __call__(self, arguments: Any) -> Any:
        *tensors, slow, fast = arguments
        plan = with_tensors(self._plan, tensors)
        return block_sums(plan, plan.panels[0], slow, fast).tensors()


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of shapes for which code is made from now on; the code is a stand-in that any tensors fit."""
    seen: list[str] = []

    def compile_(self: Wanted, signature: Any) -> Any:
        seen.append(type(self.plan.shape).__qualname__)
        return Standing(self.plan), {}

    monkeypatch.setattr(Wanted, "_compile", compile_)
    monkeypatch.setattr("openbragg.engine.compiled.resident.fits", lambda *each: True)
    return seen


CELL = """
import attrs

@attrs.frozen
class Shape:
    name = "own"
    summary = "of a script"
    flags = ()

    def factors(self, offset, nearest, lattice):
        return ((lattice.cells.prod() / (1.0 + 40.0 * offset.h * offset.h)).to(lattice.dtype),)
"""


def own_shape(text: str = CELL) -> Any:
    """A shape of the running program."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), space)
    return space["Shape"]()


def test_a_shape_of_a_script_is_compiled_once_a_process(tmp_path: Path, standing: list[str]) -> None:
    said: list[str] = []
    first = render(plan_of(own_shape()), engine_of(tmp_path, said, name="compiled"))
    assert standing == ["Shape"]
    (line,) = [line for line in said if "is not kept between runs" in line]
    assert "of a module's file it would be" in line
    # Another engine, a cell that was run again, another orientation.
    again = render(plan_of(own_shape()), engine_of(tmp_path, said, name="compiled"))
    render(plan_of(own_shape(), misset=(0.1, 0.2, 0.3)), engine_of(tmp_path, said))
    assert standing == ["Shape"]
    assert torch.equal(first, again)
    assert sum("is not kept between runs" in line for line in said) == 1
    render(plan_of(own_shape(CELL.replace("40.0", "50.0"))), engine_of(tmp_path, said, name="compiled"))
    assert standing == ["Shape", "Shape"]


def test_code_that_served_before_is_found_without_a_look_at_the_signature(
    tmp_path: Path, standing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(tmp_path, name="compiled")
    plan = plan_of("round")
    first = render(plan, engine)

    def refused(*each: Any) -> Any:
        raise AssertionError("the cache was asked")

    for name in ("usable", "find", "entries"):
        monkeypatch.setattr(Cache, name, refused)
    monkeypatch.setattr("openbragg.engine.compiled.loading.signature_of", refused)
    assert torch.equal(render(plan, engine), first)
    render(plan_of("round", misset=(0.1, 0.0, 0.0)), engine)
    assert len(standing) == 1


def test_code_that_somebody_makes_meanwhile_is_found(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, plan = engine_of(tmp_path), plan_of()
    asked: list[int] = []
    original = Cache.find

    def found(self: Cache, *each: Any) -> Any:
        asked.append(1)
        return original(self, *each)

    monkeypatch.setattr(Cache, "find", found)
    render(plan, engine)
    looks = len(asked)
    render(plan, engine)
    assert len(asked) == looks
    (engine.cache.folder / "kernels").mkdir(parents=True)
    render(plan, engine)
    assert len(asked) > looks


def test_kernels_of_a_process_are_bounded(tmp_path: Path, standing: list[str]) -> None:
    engine = engine_of(tmp_path, name="compiled")
    for number in range(70):
        render(plan_of(own_shape(CELL.replace("40.0", f"{number}.5")), pixels=(2, 2)), engine)
    assert len(RESIDENTS._kernels) <= 64


# ---- transformations of torch


def image(values: torch.Tensor, engine: str) -> torch.Tensor:
    model = experiment(cell=(*values, 1.4, 1.6, 1.7), pixels=(4, 4))
    return openbragg.simulate(model, structure_factors=FLAT, engine=engine, precision="double")


CELL_EDGES = torch.tensor([30e-10, 40e-10, 50e-10], dtype=torch.float64)


@pytest.mark.parametrize("engine", ["eager", "auto"])
@pytest.mark.parametrize("transform", [torch.func.jacfwd, torch.func.jacrev])
def test_torch_s_transformations_give_the_jacobian(transform: Any, engine: str) -> None:
    found = transform(lambda values: image(values, engine))(CELL_EDGES)
    wanted = torch.autograd.functional.jacobian(lambda values: image(values, "eager"), CELL_EDGES)
    # The same derivatives, summed in another order.
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-9 * float(wanted.abs().max()))


def test_a_forward_derivative_is_that_of_the_jacobian() -> None:
    import torch.autograd.forward_ad as forward

    direction = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    with forward.dual_level():
        tangent = forward.unpack_dual(image(forward.make_dual(CELL_EDGES, direction), "auto")).tangent
    wanted = torch.func.jacfwd(lambda values: image(values, "eager"))(CELL_EDGES) @ direction
    torch.testing.assert_close(tangent, wanted, rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("transform", [torch.func.jacfwd, torch.func.jacrev])
def test_compiled_code_refuses_them_in_one_line(
    transform: Any, made: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="engine='eager'") as caught:
        transform(lambda values: image(values, "compiled"))(CELL_EDGES)
    assert "\n" not in str(caught.value)
    assert made == []
    assert capfd.readouterr() == ("", "")


def test_an_engine_may_be_evolved_and_keeps_what_it_did(tmp_path: Path, made: list[str]) -> None:
    engine = engine_of(tmp_path)
    render(plan_of(), engine)
    more = attrs.evolve(engine, images=7)
    assert more.use is engine.use
    assert list(more.use.spent.values()) == [pytest.approx(20 * 24 * plan_of().terms_per_pixel() * 1e-7)]
