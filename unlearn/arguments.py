"""The command's options: ours, the methods' own and all of transformers' TrainingArguments; YAML or command line."""

import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import InitVar, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.splits import forget_name
from unlearn import methods
from unlearn.answers import Hyperparameters

if TYPE_CHECKING:  # importing transformers takes seconds; ``--help`` must not
    from transformers import TrainingArguments

RECIPES = Path(__file__).parent / "recipes"
DTYPES = ("auto", "float32", "bfloat16", "float16")
TARGETS = ("person", "event")


@dataclass
class UnlearnArguments:
    """What to train, on what; how is left to TrainingArguments. Raises ``BenchmarkError`` for what cannot be meant."""

    method: str = field(default="", metadata={"help": f"the loss: {', '.join(methods.METHODS)}"})
    model: str = field(default="", metadata={"help": "the checkpoint to start from: a folder or a Hugging Face hub id"})
    data: str = field(default="", metadata={"help": "the benchmark folder"})
    target: str = field(default="", metadata={"help": f"what is forgotten: {', '.join(TARGETS)}; not for finetune"})
    forget: str = field(default="", metadata={"help": "percent forgotten: 1, 5, 10, 20; not for finetune"})
    retain_overlap: bool = field(
        default=False,
        metadata={"help": "unlearn with the images on which Retain is evaluated, too (the paper's reading)"},
    )
    replay: float | None = field(
        default=None,
        metadata={
            "help": "share of pre-training rows mixed into every set but forget (default: 1/3 if the benchmark has any)"
        },
    )
    dtype: str = field(
        default="auto",
        metadata={"help": f"of the weights: {', '.join(DTYPES)} (auto: float32 on CPU, bfloat16 on GPU)"},
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with the checkpoint"})
    hyperparameters: InitVar[Hyperparameters | None] = None  # the method's own, such as retain_weight

    def __post_init__(self, hyperparameters: Hyperparameters | None) -> None:
        for name in ("method", "model", "data"):
            if not getattr(self, name):
                raise BenchmarkError(f"--{name} is missing. See: python -m unlearn --help")
        method = methods.find(self.method)
        self.settings: Hyperparameters = methods.resolve_hyperparameters(method, hyperparameters or {})
        if self.dtype not in DTYPES:
            raise BenchmarkError(f"There is no dtype {self.dtype!r}. Known: {', '.join(DTYPES)}.")
        if self.replay is not None and not 0 <= self.replay < 1:
            raise BenchmarkError(f"--replay must be at least 0 and below 1, not {self.replay}.")
        if self.retain_overlap and "retain" not in methods.needed_sets(method):
            raise BenchmarkError(f"--retain_overlap has no effect here: {self.method} has no retain set.")
        self._check_split(set(methods.needed_sets(method)) - {"everything"})

    def _check_split(self, split_sets: set[str]) -> None:
        if not split_sets:
            if self.target or self.forget:
                raise BenchmarkError(f"{self.method} trains on everything and takes neither --target nor --forget.")
            return
        if self.target not in TARGETS:
            raise BenchmarkError(f"{self.method} needs --target {{{','.join(TARGETS)}}}, not {self.target!r}.")
        if not self.forget:
            raise BenchmarkError(f"{self.method} needs --forget {{1,5,10,20}}.")
        self.forget = forget_name(self.forget)

    def as_dict(self) -> dict[str, Any]:
        """Every option with its value, the method's own included."""
        return {**asdict(self), **self.settings}


def parse(argv: Sequence[str]) -> "tuple[UnlearnArguments, TrainingArguments]":
    """Read a command line; options in it win over those of its ``--config FILE.yaml``.

    Raises ``BenchmarkError`` for unknown options (naming the nearest known ones) and wrong values.
    """
    from transformers import TrainingArguments

    own = methods.all_hyperparameters()
    values = _parse_options(argv, [UnlearnArguments, TrainingArguments], list(own))
    hyperparameters = {name: values[name] for name in own if values[name] is not None}
    ours = {f.name: values[f.name] for f in fields(UnlearnArguments)}
    return UnlearnArguments(**ours, hyperparameters=hyperparameters), _training_arguments(values)


def parse_training(argv: Sequence[str]) -> "TrainingArguments":
    """Like ``parse``, for a command that has only the options of TrainingArguments (and ``--config``)."""
    from transformers import TrainingArguments

    return _training_arguments(_parse_options(argv, [TrainingArguments], []))


def _parse_options(argv: Sequence[str], dataclasses: list[Any], own: list[str]) -> dict[str, Any]:
    from transformers import HfArgumentParser

    class Parser(HfArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise BenchmarkError(f"{message}. See: python -m unlearn --help")

    parser = Parser(dataclasses, allow_abbrev=False, add_help=False)
    for name in own:
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", type=float, default=None)
    parser.add_argument("--config", default=None)
    known = {action.dest for action in parser._actions}
    config = parser.parse_known_args(argv)[0].config
    if config is not None:
        parser.set_defaults(**_read_config(config, known - {"config"}))
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        raise BenchmarkError(_unknown_option(unknown[0].split("=")[0], known, "--"))
    return vars(namespace)


def _training_arguments(values: dict[str, Any]) -> "TrainingArguments":
    from transformers import TrainingArguments

    if not values["output_dir"]:
        raise BenchmarkError("--output_dir is missing: the folder in which the trained checkpoint is to appear.")
    try:
        return TrainingArguments(**{f.name: values[f.name] for f in fields(TrainingArguments) if f.init})
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        raise BenchmarkError(f"transformers refuses the training options: {' '.join(str(error).split())}") from error


def _read_config(name: str, known: set[str]) -> dict[str, Any]:
    import yaml

    path = Path(name)
    if not path.is_file():
        path = RECIPES / f"{name}.yaml"
    if not path.is_file():
        recipes = sorted(str(recipe.relative_to(RECIPES).with_suffix("")) for recipe in RECIPES.rglob("*.yaml"))
        known_recipes = ", ".join(recipes) or "none"
        raise BenchmarkError(f"There is no file {name}, and no recipe of that name. Recipes: {known_recipes}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BenchmarkError(f"{path} must hold options, one 'name: value' a line.")
    values = {str(key).replace("-", "_"): value for key, value in values.items()}
    for key in values:
        if key not in known:
            raise BenchmarkError(f"{path}: {_unknown_option(key, known)}")
    # As text, so that a value is read exactly as it would be on the command line (1e-4 is a string in YAML).
    return {k: v if v is None or isinstance(v, list) else _as_text(v) for k, v in values.items()}


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _unknown_option(option: str, known: set[str], prefix: str = "") -> str:
    name = option.lstrip("-").replace("-", "_")
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" The nearest known: {', '.join(prefix + n for n in near)}." if near else ""
    return f"unknown option {option!r}.{hint}"


def print_help() -> None:
    """Our options in full and one line about transformers', without importing torch."""
    print("usage: python -m unlearn --method METHOD --model DIR_OR_HUB_ID --data DIR --output_dir DIR [options]\n")
    print("Train or unlearn: a checkpoint in, a checkpoint out.\n\noptions:")
    rows = [(f.name, str(f.metadata["help"])) for f in fields(UnlearnArguments)]
    rows += [
        ("output_dir", "the folder in which the checkpoint appears once it is complete; the same command resumes"),
        ("config", "FILE.yaml with options as keys, or the name of a recipe; the command line wins"),
    ]
    rows += [(name, f"hyper-parameter of {', '.join(users)}") for name, users in methods.all_hyperparameters().items()]
    for name, text in rows:
        print(f"  --{name:<20} {text}")
    print("\nmethods:")
    for key, method in methods.METHODS.items():
        summary = (sys.modules[method.__module__].__doc__ or "").splitlines()[0]
        print(f"  {key:<22} {summary}")
    print(
        "\nEvery option of transformers.TrainingArguments is understood as well (--learning_rate, --max_steps, "
        "--per_device_train_batch_size,\n--save_steps, --bf16, ...): python -m unlearn --help_all lists them."
    )


def print_all_help() -> None:
    """Our options, then every one of TrainingArguments."""
    from transformers import HfArgumentParser, TrainingArguments

    theirs: list[Any] = [TrainingArguments]
    print_help()
    print("\n" + HfArgumentParser(theirs, prog="python -m unlearn", usage="...", add_help=False).format_help())
