"""Wrong input to every command: the exit code and what it says, most of it as the tests of bad input have it.

A line is a command, run in this process where the other groups have left their files. ``VARIABLE=VALUE`` before it sets
the environment.
"""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden_set import masks, trained
from golden_set.commands import Said, run, succeed

TRAIN = "python -m unlearn --use_cpu true --disable_tqdm true --max_steps 1"
GD = f"{TRAIN} --method gd --model trained/finetuned --data data --output_dir new --target person --forget 20"
NAMED = "--link https://example.org/made --data data --out new"

COMMANDS: dict[str, list[str]] = {
    "data": [
        "pebench",
        "pebench nosuch",
        "pebench data build --out new",
        "pebench data build --source moon --out new",
        "pebench data build --source synthetic --people 1 --out new",
        "pebench data build --source synthetic --people 300 --out new",
        "pebench data build --source synthetic --events 2 --out new",
        "pebench data build --source synthetic --events 41 --out new",
        "pebench data build --source synthetic --image-size 8 --out new",
        "pebench data build --source synthetic --people many --out new",
        "pebench data build --source synthetic --path thesis --out new",
        "pebench data build --source synthetic --seed 7 --people 10 --events 5 --image-size 32 --out data",
        "pebench data build --source synthetic --out thesis",
        "pebench data build --source hub --people 3 --out new",
        "pebench data build --source folder --out new",
        "pebench data build --source folder --path nowhere --out new",
        "pebench data build --source folder --path thesis --out new",
        "pebench data build --source folder --path thesis --revision v9 --out new",
        "pebench data show nowhere",
        "pebench data show thesis",
        "pebench data show damaged/manifest",
        "pebench data show damaged/tables",
        "pebench data show damaged/images",
        "pebench data show damaged/texts",
        "pebench data show data --forget 7",
        "pebench data use nowhere",
        "pebench data use thesis",
    ],
    "score": [
        "pebench score --data data",
        "pebench score nowhere --data data",
        "pebench score models/typo --data data",
        "pebench score /nowhere/model --data data",
        "pebench score a,b --data data",
        "pebench score models/gd-person others/gd-person --data data",
        "pebench score trained/gd",
        "pebench score trained/gd --data nowhere",
        "pebench score trained/gd --data damaged/manifest",
        "pebench score trained/gd --data data --forget 7",
        "pebench score trained/gd --data data --target thing",
        "pebench score trained/gd --data data --limit 0",
        "pebench score trained/gd --data data --batch_size many",
        "pebench score trained/gd --data data --dtype int8",
        "pebench score trained/gd --data data --max-judge-calls -1",
        "pebench score trained/gd --data data --target event --goal nowhere",
        "pebench score trained/gd --data data --target event --goal thesis",
        "pebench score trained/gd --data data --target event --goal scores/gd",
        "pebench score trained/gd --data data --target event --forget 10 --goal goals/event",
        "pebench score trained/gd --data data --target joint --goal goals/event",
        "pebench score trained/gd --data data --judge human",
        "pebench score trained/gd --data data --judge openai:m",
        "PEBENCH_MAX_JUDGE_CALLS=few OPENAI_API_KEY=k pebench score trained/gd --data data --judge openai:m",
        "PEBENCH_JUDGE_CONCURRENCY=0 OPENAI_API_KEY=k pebench score trained/gd --data data --judge openai:m",
        "OPENAI_BASE_URL=ftp://host OPENAI_API_KEY=k pebench score trained/gd --data data --judge openai:m",
        "PEBENCH_RETAIN=some pebench score trained/gd --data data",
        "PEBENCH_WORLD=none pebench score trained/gd --data data",
        "PEBENCH_DATA=nowhere pebench score trained/gd",
        "pebench score trained/gd --data data --real-known nowhere.json",
        "pebench score trained/gd --data data --real-known thesis/thesis.txt",
        "pebench score trained/gd --data data --real-known damaged/known.json",
        "pebench score trained/gd --data data --output_path tried --device cpu --target person",
        "pebench score trained/gd --data other --output_path tried --device cpu --target person --forget 20",
        "pebench score models/gd-person --data data --output_path tried --device cpu --forget 20 --target person",
    ],
    "results": [
        "pebench rescore nowhere",
        "pebench rescore thesis",
        "pebench rescore damaged/number",
        "pebench rescore damaged/line",
        "pebench rescore damaged/key",
        "pebench rescore damaged/slice",
        "pebench rescore damaged/results",
        "pebench rescore damaged/results/20260101_000000_results.json",
        "pebench rescore damaged/no-results/20260101_000000_samples_pebench_people.jsonl",
        "pebench rescore damaged/no-samples/20260101_000000_results.json",
        "pebench rescore damaged/other-task/20260101_000000_samples_pope.jsonl",
        "pebench rescore scores/gd --data other",
        "pebench rescore scores/gd --data nowhere",
        "pebench rescore scores/gd --goal nowhere",
        "pebench rescore scores/gd --goal others",
        "pebench rescore scores/gd damaged/prompts",
        "pebench rescore scores/gd damaged/version",
        "pebench rescore scores/gd --out thesis/thesis.txt/figures.json",
        "pebench compare scores/gd",
        "pebench compare scores/gd scores/gd",
        "pebench compare scores/gd nowhere",
        "pebench compare scores/gd thesis",
        "pebench compare scores/gd others/api",
        "pebench compare damaged/people damaged/events",
        "pebench compare scores/finetuned damaged/prompts",
        "pebench compare scores/finetuned damaged/version",
        "pebench compare scores/gd scores/ga --data other",
        "pebench compare scores/gd scores/ga --seed one",
        "pebench report nowhere --out new",
        "pebench report thesis --out new",
        "pebench report scores",
        "pebench report scores --out thesis/thesis.txt",
        "pebench report scores --out new --samples some",
        "pebench report scores --out new --thumbnail 3",
        "pebench report scores --out new --data other",
        "pebench report scores damaged/prompts --out new",
        "pebench report scores/gd scores/gd --out new",
        "pebench real filter nowhere --out new.json",
        "pebench real filter damaged/events --out new.json",
        "pebench real filter damaged/people --out new.json",
        "pebench judge scores/gd",
        "pebench judge scores/gd --judge human",
        "pebench judge scores/gd --judge openai:m",
        "OPENAI_API_KEY=k pebench judge scores/gd --judge openai:m --max-judge-calls 0",
        "OPENAI_API_KEY=k pebench judge scores/gd --judge openai:m --max-judge-calls few",
        "OPENAI_API_KEY=k pebench judge scores/gd --judge openai:m --concurrency 0",
        "OPENAI_API_KEY=k pebench judge nowhere --judge openai:m",
    ],
    "leaderboard": [
        f"pebench submit scores/gd --target person {NAMED}",
        f"pebench submit scores/gd --name made {NAMED}",
        f"pebench submit nowhere --name made {NAMED}",
        f"pebench submit scores/gd --target person --name ../made {NAMED}",
        f"pebench submit scores/gd --target person --name Made {NAMED}",
        "pebench submit scores/gd --target person --name made --link http://example.org --data data --out new",
        "pebench submit scores/gd --target person --name made --link https://me@example.org --data data --out new",
        f"pebench submit scores/finetuned --target person --name made {NAMED}",
        f"pebench submit scores/goal --target person --name made {NAMED}",
        f"pebench submit others/api --target person --name made {NAMED}",
        f"pebench submit scores/gd --target person --name made --finetuned scores/ga {NAMED}",
        f"pebench submit scores/gd --target person --name made --goal scores/ga {NAMED}",
        f"pebench submit scores/gd --target person --name made --finetuned nowhere {NAMED}",
        f"pebench submit scores/gd --target person --name made --checkpoint models/ga-person {NAMED}",
        f"pebench submit scores/gd --target person --name made --real-known damaged/known.json {NAMED}",
        f"pebench submit damaged/people --name made {NAMED}",
        "pebench submit scores/gd --target person --name made --link https://example.org/made --data other --out new",
        "pebench submit scores/gd --target person --name ga-person --link https://a.org/ --data data --out board",
        "pebench leaderboard check nowhere --data data",
        "pebench leaderboard check thesis --data data",
        "pebench leaderboard check board --data nowhere",
        "pebench leaderboard check board --data other",
        "pebench leaderboard check board --data data --only nobody",
        "pebench leaderboard check wrong --data data",
        "pebench leaderboard build wrong --data data --out new",
        "pebench leaderboard build board --data data --out thesis",
        "pebench leaderboard build thesis --data data --out new",
        "pebench leaderboard verify board nobody scores/gd --data data --by Ada",
        "pebench leaderboard verify board gd-person scores/ga --data data --by Ada",
        "pebench leaderboard verify board gd-person nowhere --data data --by Ada",
        "pebench leaderboard verify board gd-person scores/gd --data data --by Ada",
        "pebench leaderboard verify board gd-person scores/gd",
    ],
    "unlearn": [
        f"{GD} --method forgetful",
        f"{GD} --method gdd",
        f"{GD} --retain_wieght 1",
        f"{GD} --target thing",
        f"{GD} --target ''",
        f"{GD} --forget ''",
        f"{GD} --forget 7",
        f"{GD} --model ''",
        f"{GD} --output_dir ''",
        f"{GD} --dtype int4",
        f"{GD} --tune lm,ears",
        f"{GD} --tune ,",
        f"{GD} --save zip",
        f"{GD} --save adapter",
        f"{GD} --load_in_4bit true",
        f"{GD} --balance fair",
        f"{GD} --balance bgd",
        f"{GD} --balance bgd --target joint --method siu",
        f"{GD} --balance bgd --target joint --retain_weight 0",
        f"{GD} --lr_scheduler_type wavy",
        f"{GD} --learning_rate fast",
        f"{GD} --eval_strategy steps --logging_steps 0",
        f"{GD} --config nosuch",
        f"{GD} --config thesis/thesis.txt",
        f"{GD} --config damaged/options.yaml",
        f"{GD} --config damaged/unknown.yaml",
        f"{GD} --beta 0.1",
        f"{GD} --replay 1.0",
        f"{GD} --questions_per_image 0",
        f"{GD} --images_per_concept 0",
        f"{GD} --images_per_concept 2",
        f"{GD} --lora_r 0",
        f"{GD} --lora_dropout 1",
        f"{GD} --lora_alpha 8",
        f"{GD} --reference_top_k -1",
        f"{GD} --reference_top_k 5",
        f"{GD} --retain_weight -1",
        f"{GD} --method npo --beta 0",
        f"{GD} --method ga --retain_scope true",
        f"{GD} --method finetune",
        f"{GD} --data nowhere",
        f"{GD} --data other",
        f"{GD} --model nowhere",
        f"{GD} --model thesis",
        f"{GD} --model models/gd-person",
        f"{GD} --model damaged/patches",
        f"{GD} --model damaged/context",
        f"{GD} --output_dir thesis",
        f"{GD} --output_dir trained/kl",
        f"{GD} --method goal",
        f"{GD} --method kl --reference_cache thesis",
        f"{GD} --method kl --model trained/gd --reference_cache reference",
        f"{TRAIN} --method gd",
        "python -m unlearn.demo --forget 7 --out new",
        "python -m unlearn.demo --methods ga,forgetful --out new",
        "python -m unlearn.demo --methods goal --out new",
        "python -m unlearn.demo --model nowhere --data nowhere --out new",
        "python -m unlearn.demo --data nowhere --out new",
        "python -m unlearn.demo --seed one --out new",
        "python -m unlearn.table1 --seeds one --out new",
    ],
}


def goldens() -> dict[str, str]:
    """A file a part of the program."""
    _damage()
    return {f"{part}.txt": "\n".join(map(_refused, commands)) for part, commands in COMMANDS.items()}


def _refused(command: str) -> str:
    """What a command says, and what it leaves where it was to write."""
    said = run(command)
    shown = command.replace(TRAIN, "python -m unlearn ...").replace(GD.removeprefix(TRAIN), "")
    left = sorted(Path().glob("new*"))
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    words = f"leaves {', '.join(map(str, left))}\n" if left else ""
    return trained.named(f"$ {shown}\nexit {said.code}\n{masks.text(_complaint(said))}{words}")


def _complaint(said: Said) -> str:
    """The lines that name an error; where there are none, all that was printed."""
    lines = [line for line in said.err.splitlines() if re.search(r"(^|: )error: ", line)]
    return "".join(f"{line}\n" for line in lines) or said.out


def _damage() -> None:
    """Folders of all kinds that no command can take: ``thesis``, ``damaged``, ``other``, ``wrong``."""
    succeed("pebench data build --source synthetic --people 4 --events 3 --image-size 32 --seed 1 --out other")
    Path("thesis").mkdir()
    Path("thesis/thesis.txt").write_text("[do not delete")
    _damage_benchmarks()
    _damage_results()
    _damage_checkpoints()
    _forge()


def _damage_benchmarks() -> None:
    for name in ("manifest", "tables", "images", "texts"):
        shutil.copytree("data", f"damaged/{name}")
    Path("damaged/manifest/manifest.json").write_text("{")
    tables = sorted(Path("damaged/tables").rglob("*.parquet"))
    tables[0].unlink()
    image = sorted(Path("damaged/images").rglob("*.parquet"))[-1]
    image.write_bytes(image.read_bytes()[:-1])
    _edit(Path("damaged/texts/manifest.json"), lambda content: content.update(fingerprint="0" * 16))
    Path("damaged/known.json").write_text('{"format": "pebench-known/1"}')
    Path("damaged/options.yaml").write_text("- a list\n")
    Path("damaged/unknown.yaml").write_text("retain_wieght: 1\n")


def _damage_results() -> None:
    for name in ("number", "line", "key", "slice", "results", "no-results", "no-samples", "other-task", "people",
                 "events", "prompts", "version"):  # fmt: skip
        shutil.copytree("scores/gd", f"damaged/{name}")
        for path in Path("damaged", name).iterdir():
            if ("000001" in path.name) == (name != "events") or "000002" in path.name:
                path.unlink()

    def samples(name: str) -> Path:
        return next(Path("damaged", name).glob("*.jsonl"))

    def results(name: str) -> Path:
        return next(Path("damaged", name).glob("*_results.json"))

    def provenance(name: str, **changed: Any) -> None:
        _edit(results(name), lambda content: content["results"]["pebench_people"]["provenance,none"].update(changed))

    _edit(results("number"), lambda content: content["results"]["pebench_people"].update({"retain,none": 12.5}))
    samples("line").write_text(samples("line").read_text() + "{\n")
    samples("key").write_text(samples("key").read_text().replace("p00", "p09"))
    samples("slice").write_text(samples("slice").read_text().replace('"slice": "scope"', '"slice": "retain"'))
    results("results").write_text("{")
    results("no-results").unlink()
    samples("no-samples").unlink()
    path = samples("other-task")
    path.rename(path.with_name("20260101_000000_samples_pope.jsonl"))
    results("other-task").unlink()
    provenance("prompts", prompts={"pre_prompt": "Look.", "post_prompt": ""})
    _edit(results("version"), lambda content: content["versions"].update(pebench_people=1.0))


def _damage_checkpoints() -> None:
    for name in ("patches", "context"):
        shutil.copytree("trained/finetuned", f"damaged/{name}")
    _edit(Path("damaged/patches/processor_config.json"), lambda content: content.update(patch_size=5))
    _edit(
        Path("damaged/context/config.json"), lambda content: content["text_config"].update(max_position_embeddings=20)
    )


def _forge() -> None:
    """A board on which nothing is as it was submitted."""
    shutil.copytree("board", "wrong")
    Path("wrong/verified.json").unlink()
    for name in ("gd-joint.json", "gd-joint.samples.jsonl.gz"):
        Path("wrong", name).unlink()
    _edit(Path("wrong/gd-person.json"), lambda content: content["runs"]["model"]["figures"].update(retain=100.0))
    _edit(Path("wrong/ga-person.json"), lambda content: content.update(task_version="1.0"))
    samples = Path("wrong/gd-event.samples.jsonl.gz")
    samples.write_bytes(gzip.compress(gzip.decompress(samples.read_bytes()).replace(b"street", b"lake"), mtime=0))


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
