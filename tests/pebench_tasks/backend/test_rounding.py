"""Weights are rounded as a slow loop rounds them, and what answers is the model with those weights."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import TASKS, Evaluate, provenance, responses
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from pebench_tasks import cli
from pebench_tasks.backend import families
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.backend.rounding import GROUP, LEVELS, round_weights, rounded
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.cli.score import LOAD_IN
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate as score
from pebench_tasks.leaderboard.submit.lineup import line_up
from pebench_tasks.results.files import read_result
from pebench_tasks.results.goals import _of_a_goal


def slowly(weight: Tensor, bits: int, group: int) -> Tensor:
    """One number after the other, in double precision but for the scale, which is float32 as the weights are."""
    largest = 2 ** (bits - 1) - 1
    found = weight.clone()
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], group):
            places = range(start, min(start + group, weight.shape[1]))
            top = max(abs(float(weight[row, place])) for place in places)
            scale = float(torch.tensor(top) / largest)
            for place in places:
                steps = round(float(weight[row, place] / torch.tensor(scale))) if scale else 0
                found[row, place] = torch.tensor(float(steps)) * torch.tensor(scale)
    return found


@pytest.fixture
def model(llava: Path) -> Any:
    return families.load_model(str(llava), torch.float32).eval()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("inputs", [16, 40, 8, 5])
def test_rounding_is_that_of_a_slow_loop(bits: int, inputs: int) -> None:
    """In groups of 16; of 40 inputs the last group has 8, of 8 or 5 the only one has all."""
    torch.manual_seed(0)
    weight = torch.randn(6, inputs)
    weight[2] = 0.0
    torch.testing.assert_close(rounded(weight, bits, 16), slowly(weight, bits, 16), rtol=0, atol=0)


def test_int4_by_hand() -> None:
    """The largest of the first group is 7, so a step is 1; of the second 0.7: 0.1. Halves go to the even step."""
    weight = torch.tensor([[7.0, -3.4, 0.5, 0.7, -0.26, 0.04]])
    expected = torch.tensor([[7.0, -3.0, 0.0, 0.7, -0.3, 0.0]])
    torch.testing.assert_close(rounded(weight, 4, 3), expected)


def test_rounding_twice_changes_nothing_more() -> None:
    torch.manual_seed(0)
    once = rounded(torch.randn(4, 2 * GROUP), 8)
    torch.testing.assert_close(rounded(once, 8), once, rtol=1e-6, atol=0)


def test_all_linear_layers_are_rounded_but_the_head_and_nothing_else(model: Any) -> None:
    before = copy.deepcopy(model)
    counts = round_weights(model, "int4")
    linears = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    head = {name for name in linears if name.startswith("lm_head")}
    changed = {
        n for (n, a), b in zip(model.named_parameters(), before.parameters(), strict=True) if not torch.equal(a, b)
    }
    assert changed == linears - head
    assert counts is not None
    assert (counts.layers, counts.fused) == (len(linears) - 1, 0)
    assert counts.uneven == sum(layer.in_features % GROUP != 0 for layer in model.modules() if type(layer) is nn.Linear)
    assert "smaller in" in str(counts)


def test_bfloat16_rounds_every_weight_and_keeps_float32_to_compute_with(llava: Path) -> None:
    loaded = PebenchHf(str(llava), device="cpu", load_in="bfloat16")
    stored = families.load_model(str(llava), torch.bfloat16)
    assert loaded.dtype == loaded.model.dtype == torch.float32
    for ours, saved in zip(loaded.model.parameters(), stored.parameters(), strict=True):
        assert torch.equal(ours, saved.float())


def test_a_head_that_is_the_embedding_is_left() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.layer, self.head = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 9, bias=False)
            self.head.weight = self.embedding.weight

        def get_input_embeddings(self) -> nn.Module:
            return self.embedding

        def get_output_embeddings(self) -> None:
            return None

    counts = round_weights(Tied(), "int8")
    assert counts is not None
    assert counts.layers == 1


def test_an_adapter_is_merged_before_its_model_is_rounded(model: Any, llava: Path, tmp_path: Path) -> None:
    """Rounded apart and added afterwards, the sum would not lie on the steps."""
    torch.manual_seed(0)
    layer = "model.language_model.layers.0.mlp.up_proj"
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=[layer], init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(llava)
    adapted.save_pretrained(str(tmp_path))
    families.load_processor(str(llava)).save_pretrained(tmp_path)
    loaded = PebenchHf(str(tmp_path), device="cpu", load_in="int4", packed=False)
    summed: Any = adapted.merge_and_unload().get_submodule(layer).weight
    torch.testing.assert_close(loaded.model.get_submodule(layer).weight, rounded(summed, 4))


def test_a_result_says_that_its_model_was_rounded_and_lies_apart(
    benchmark: Benchmark, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the newer of two results would stand for the checkpoint, whichever it was."""
    words = ["--data", str(benchmark.directory), "--device", "cpu", "--limit", "6", "--max_new_tokens", "4"]
    words += ["--target", "person", "--output_path", str(tmp_path)]
    assert cli.main(["score", str(llava), *words]) == 0
    assert cli.main(["score", str(llava), *words, "--load_in", "int4"]) == 0
    assert "linear layers rounded in groups of 128" in capsys.readouterr().err
    plain, rounded_one = (read_result(tmp_path / name, TASKS[0]) for name in ("llava", "llava-int4"))
    assert plain is not None
    assert rounded_one is not None
    assert [one.provenance.model.load_in for one in (plain, rounded_one)] == [None, "int4"]
    assert [Path(one.checkpoint).name for one in (plain, rounded_one)] == ["llava", "llava-int4"]
    with pytest.raises(BenchmarkError, match="llava-int4 were rounded to int4 before they were scored"):
        line_up(tmp_path / "llava-int4")


def test_a_rounded_goal_is_no_goal() -> None:
    """Scenes are marked with what Goal answers as it was trained."""
    model = {"method": "goal"}
    values = {"provenance,none": {"model": model, "withheld": ""}}
    assert _of_a_goal(TASKS[1], TASKS[1], values)
    model["load_in"] = "int4"
    assert not _of_a_goal(TASKS[1], TASKS[1], values)


def test_int4_answers_are_those_of_the_rounded_model(
    evaluate: Evaluate, llava: Path, model: Any, tmp_path: Path
) -> None:
    round_weights(model, "int4")
    model.save_pretrained(tmp_path)
    families.load_processor(str(llava)).save_pretrained(tmp_path)
    ours = evaluate("pebench_hf", f"pretrained={llava},load_in=int4", tasks=TASKS[:1])
    saved = evaluate("pebench_hf", f"pretrained={tmp_path}", tasks=TASKS[:1])
    assert responses(ours) == responses(saved)
    assert provenance(ours)["model"]["load_in"] == "int4"


def test_answers_of_other_weights_are_not_gone_on_with(llava: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"device": "cpu", "journal": str(tmp_path)}
    folders = {PebenchHf(str(llava), load_in=level, **options).journal._folder for level in (None, "int8", "int4")}
    assert len(folders) == 3


def test_what_cannot_be_had_is_refused_in_one_line(benchmark: Benchmark, llava: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"There is no load_in 'int3'\. Known: bfloat16, int8, int4, fp4, nf4"):
        PebenchHf(str(llava), device="cpu", load_in="int3")
    for level in ("fp4", "nf4"):
        with pytest.raises(SystemExit, match=f"load_in={level} needs a GPU and bitsandbytes"):
            PebenchHf(str(llava), device="cpu", load_in=level)
    with pytest.raises(BenchmarkError, match="needs a GPU"):
        score([llava], data=benchmark.directory, output_path=tmp_path, device="cpu", load_in="nf4")


def test_the_command_knows_every_level() -> None:
    assert LOAD_IN == LEVELS
