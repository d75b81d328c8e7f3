"""Packed layers give the answers of the layers that they replace."""

import copy
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pebench_tasks.backend import families, packed_linear
from pebench_tasks.backend.packed_linear import PackedLinear, pack, wants_packing
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.errors import BenchmarkError

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture(autouse=True)
def _pack_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "SMALLEST", 0)  # the models of tests are smaller than is worth it


@pytest.fixture
def model(llava: Path) -> Any:
    return families.load_model(str(llava), torch.float32).eval()


@pytest.mark.parametrize("shape", [(96,), (3, 96), (2, 5, 96), (0, 96), (2, 0, 96)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_a_packed_layer_is_the_linear_layer_within_rounding(shape: tuple[int, ...], bias: bool) -> None:
    """Sums of 96 products in another order: some 1e-6 of values near 1."""
    torch.manual_seed(0)
    linear = nn.Linear(96, 40, bias=bias)
    inputs = torch.randn(shape)
    found = PackedLinear(linear)(inputs)
    assert found.shape == (*shape[:-1], 40)
    torch.testing.assert_close(found, linear(inputs), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_in_bfloat16_it_is_the_linear_layer_within_bfloat16() -> None:
    """8 bits of a mantissa: 1/256 of values near 1."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor does not multiply in bfloat16")
    torch.manual_seed(0)
    linear = nn.Linear(96, 40).bfloat16()
    inputs = torch.randn(7, 96, dtype=torch.bfloat16)
    found = PackedLinear(linear)(inputs)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, linear(inputs), rtol=1 / 128, atol=1 / 128)


def test_every_linear_layer_is_replaced_and_its_weight_given_up(model: Any) -> None:
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    weights = [weakref.ref(linear.weight) for linear in linears]
    assert pack(model) == len(linears)
    packed = [module for module in model.modules() if isinstance(module, PackedLinear)]
    assert len(packed) == len(linears) > 20
    assert not any(type(module) is nn.Linear for module in model.modules())
    del linears
    gc.collect()
    assert not any(weight() is not None for weight in weights)


@torch.inference_mode()
def test_a_head_that_is_the_embedding_too_leaves_it_as_it_is() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(50, 8)
            self.head = nn.Linear(8, 50, bias=False)
            self.head.weight = self.embedding.weight

    tied = Tied()
    tokens = torch.arange(50)
    embedded = tied.embedding(tokens)
    expected = tied.head(embedded)
    pack(tied)
    assert torch.equal(tied.embedding(tokens), embedded)
    torch.testing.assert_close(tied.head(embedded), expected)


def test_a_subclass_which_may_compute_something_else_is_left_alone() -> None:
    class Scaled(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(inputs)

    model = nn.Sequential(Scaled(4, 4), nn.Linear(4, 4))
    pack(model)
    assert [type(module) for module in model] == [Scaled, PackedLinear]


def test_small_layers_stay_because_a_call_costs_more_than_their_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "SMALLEST", 17)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 5))  # 16 and 20 entries
    pack(model)
    assert [type(module) for module in model] == [nn.Linear, PackedLinear]


@pytest.mark.parametrize(
    ("maker", "in_float32", "in_bfloat16"),
    [("AuthenticAMD", True, True), ("GenuineIntel", False, True), ("", False, False)],
)
def test_auto_packs_where_it_pays_and_the_family_is_proven(
    model: Any, monkeypatch: pytest.MonkeyPatch, maker: str, in_float32: bool, in_bfloat16: bool
) -> None:
    """MKL is at home on Intel's processors; "" is another architecture."""
    monkeypatch.setattr(packed_linear, "cpu_vendor", lambda: maker)
    assert wants_packing("auto", model) == in_float32
    assert not wants_packing("false", model)
    assert not wants_packing(False, model)
    assert wants_packing(True, model)
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert wants_packing("auto", copy.deepcopy(model).bfloat16()) == in_bfloat16
    monkeypatch.setattr(packed_linear, "PROVEN", ())
    assert not wants_packing("auto", model)
    assert wants_packing("true", model)


def test_packed_where_it_cannot_be_done_is_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    half = model.to(torch.float16)
    assert not wants_packing("auto", half)
    with pytest.raises(BenchmarkError, match="cannot be packed: its numbers are float16"):
        wants_packing("true", half)
    with pytest.raises(BenchmarkError, match="cannot be packed: the model is on meta"):
        wants_packing("true", half.to("meta"))
    with pytest.raises(BenchmarkError, match="packed must be auto, true or false, not 'yes'"):
        wants_packing("yes", half)


def test_the_backend_says_whether_it_packed(llava: Path) -> None:
    plain, packed = (PebenchHf(str(llava), device="cpu", packed=wanted) for wanted in (False, True))
    assert (plain.packed, packed.packed) == (False, True)
    assert any(isinstance(module, PackedLinear) for module in packed.model.modules())
    assert not any(isinstance(module, PackedLinear) for module in plain.model.modules())
