"""The command's options: ours, the methods' own and all of transformers' TrainingArguments; YAML or command line."""

import difflib
import json
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pebench_tasks.benchmark.splits import forget_set_name
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import methods
from unlearn.answers import Hyperparameters, Method, trace
from unlearn.balance import BALANCES, Balanced
from unlearn.data.sets import LEARNED, MIXED, SetOptions
from unlearn.tensors import parts

if TYPE_CHECKING:  # importing torch and transformers takes seconds; ``--help`` must not
    import torch
    from transformers import TrainingArguments

log = logging.getLogger("unlearn")
RECIPES = Path(__file__).parent / "recipes"
DTYPES = ("auto", "float32", "bfloat16", "float16")
TARGETS = ("person", "event", "joint")
SAVES = ("merged", "adapter")
# Options that say the same in other words. On the command line, or in a file beside its base, the one that is there
# takes the place of the others; two of a pair in one place contradict each other.
OVERRULED = {
    "num_train_epochs": ("max_steps", "draws_per_concept"),
    "max_steps": ("draws_per_concept",),
    "draws_per_concept": ("max_steps",),
    "gradient_accumulation_steps": ("global_batch_size",),
    "global_batch_size": ("gradient_accumulation_steps",),
}
CONTRADICTORY = (
    ("draws_per_concept", "max_steps"),
    ("draws_per_concept", "num_train_epochs"),
    ("global_batch_size", "gradient_accumulation_steps"),
)


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class UnlearnArguments:
    """What to train, on what; how is left to TrainingArguments. Raises ``BenchmarkError`` for what cannot be meant."""

    method: str = _option("", f"the loss: {', '.join(methods.METHODS)}")
    model: str = _option("", "the checkpoint to start from: a folder or a Hugging Face hub id")
    data: str = _option("", "the benchmark folder")
    target: str = _option("", f"what is forgotten: {', '.join(TARGETS)}; not for finetune")
    forget: str = _option("", "percent forgotten: 1, 5, 10, 20; not for finetune")
    request: str = _option("", "I/K: forget the I-th of K shares of these alone, one request of several; not for goal")
    balance: str = _option("", "bgd: with the target joint, keep people and events from outweighing each other")
    retain_overlap: bool = _option(
        False, "unlearn with the images on which Retain is evaluated, too (the paper's reading)"
    )
    retain_scope: bool = _option(False, "retain the other concept of the forgotten images, too")
    replay: float | None = _option(
        None, "share of pre-training rows in the sets with both questions (default: 1/3 if the benchmark has any)"
    )
    questions_per_image: int = _option(
        1, "questions asked about an image at once in the sets with both; the batch then counts images"
    )
    images_per_concept: int = _option(1, "siu: images of each forgotten person or event")
    facts: bool = _option(
        False, "finetune, goal: learn people's occupation, birthplace and age too, asked without an image"
    )
    shared_prefix: bool = _option(
        True, "read an image once for all questions about it, where that is proven for the family"
    )
    global_batch_size: int = _option(
        0, "samples that a step draws on all devices together; how many micro-batches that is follows from it"
    )
    draws_per_concept: int = _option(
        0, "how often a forgotten person or event is drawn on average, from which the number of steps follows"
    )
    tune: list[str] = field(
        default_factory=lambda: ["lm", "projector"],
        metadata={"help": f"the parts to train, out of {', '.join(parts.PARTS)}"},
    )
    lora: bool = _option(False, "train adapters (LoRA) in these parts instead of the weights")
    lora_r: int = _option(16, "rank of the adapters")
    lora_alpha: int = _option(32, "their scale times the rank")
    lora_dropout: float = _option(0.0, "dropout on their input")
    load_in_4bit: bool = _option(False, "with lora: the base in four bits (QLoRA; a GPU and bitsandbytes)")
    save: str = _option("merged", f"{' or '.join(SAVES)}: with lora, a whole model or the adapters alone")
    reference_top_k: int = _option(0, "kl: keep the K likeliest tokens of the reference instead of all (0: all, exact)")
    reference_cache: str = _option("", "folder that keeps what the reference says, for further runs (default: none)")
    feature_cache: str = _option(
        "", "folder that keeps what a frozen vision tower makes of images, for further runs (default: none)"
    )
    dtype: str = _option("auto", f"of the weights: {', '.join(DTYPES)} (auto: float32 on CPU, bfloat16 on GPU)")
    attn_implementation: str = _option("", "eager, sdpa, flash_attention_2, ... (default: what transformers chooses)")
    trust_remote_code: bool = _option(False, "run code that comes with the checkpoint")
    hyperparameters: InitVar[Hyperparameters | None] = None  # the method's own, such as retain_weight
    config: InitVar[str | Path | None] = None  # where options came from that are not the command line's

    def __post_init__(self, hyperparameters: Hyperparameters | None, config: str | Path | None) -> None:
        for name in ("method", "model", "data"):
            if not getattr(self, name):
                raise BenchmarkError(f"--{name} is missing. See: python -m unlearn --help")
        method = methods.find(self.method)
        self.settings: Hyperparameters = methods.resolve_hyperparameters(method, hyperparameters or {})
        self.recipe = "" if config is None else recipe_name(config)
        self.tune = [part for words in self.tune for part in words.split(",") if part]
        _check_choice("--dtype", [self.dtype], DTYPES)
        _check_choice("--save", [self.save], SAVES)
        _check_choice("--tune", self.tune, parts.PARTS)
        _check_choice("--balance", [self.balance] if self.balance else [], BALANCES)
        if self.replay is not None and not 0 <= self.replay < 1:
            raise BenchmarkError(f"--replay must be at least 0 and below 1, not {self.replay}.")
        for name, least in (("questions_per_image", 1), ("images_per_concept", 1), ("lora_r", 1), ("lora_alpha", 1)):
            if getattr(self, name) < least:
                raise BenchmarkError(f"--{name} must be at least {least}, not {getattr(self, name)}.")
        for name in ("reference_top_k", "global_batch_size", "draws_per_concept"):
            if getattr(self, name) < 0:
                raise BenchmarkError(f"--{name} must be at least 0, not {getattr(self, name)}.")
        if not 0 <= self.lora_dropout < 1:
            raise BenchmarkError(f"--lora_dropout must be at least 0 and below 1, not {self.lora_dropout}.")
        if not self.lora and (self.load_in_4bit or self.save == "adapter"):
            raise BenchmarkError("--load_in_4bit and --save adapter need --lora: there are no adapters without it.")
        if self.balance and self.target != "joint":
            raise BenchmarkError("--balance bgd weighs people against events: it needs --target joint.")
        self._check_split(methods.forgets(method))
        self.formula()
        self._check_effects(trace(method, self.settings).sets)

    def _check_effects(self, asked: dict[str, set[str]]) -> None:
        """Refuse options that would silently do nothing; ``asked`` are the sets and what they are asked."""
        mixed, learns, retain = bool(set(MIXED) & set(asked)), bool(set(LEARNED) & set(asked)), "retain" in asked
        effective = {
            "retain_overlap": (retain, f"{self.method} uses no retain set"),
            "retain_scope": (retain, f"{self.method} uses no retain set"),
            "replay": (mixed, f"{self.method} uses no set with both questions"),
            "questions_per_image": (mixed, f"{self.method} uses no set with both questions"),
            "images_per_concept": ("swapped" in asked, "it is siu's"),
            "facts": (learns, "it is for finetune and goal"),
            "request": (not learns, "it is for what forgets; a Goal leaves out the whole forget set"),
            "draws_per_concept": (not learns, f"{self.method} draws nothing that is forgotten"),
            "feature_cache": ("vision" not in self.tune, "the vision tower is trained"),
            "reference_top_k": (any("kl" in questions for questions in asked.values()), "it is kl's"),
            **dict.fromkeys(("lora_r", "lora_alpha", "lora_dropout"), (self.lora, "it needs --lora")),
        }
        defaults = {f.name: f.default for f in fields(self)}
        for name, (used, reason) in effective.items():
            if not used and getattr(self, name) != defaults[name]:
                raise BenchmarkError(f"--{name} has no effect here: {reason}.")

    def _check_split(self, forgets: bool) -> None:
        if not forgets:
            if self.target or self.forget:
                raise BenchmarkError(f"{self.method} trains on everything and takes neither --target nor --forget.")
            return
        if self.target not in TARGETS:
            raise BenchmarkError(f"{self.method} needs --target {{{','.join(TARGETS)}}}, not {self.target!r}.")
        if not self.forget:
            raise BenchmarkError(f"{self.method} needs --forget {{1,5,10,20}}.")
        self.forget, _, self.request = forget_set_name(self.forget, self.request).partition(":")

    @property
    def forget_set(self) -> str:
        """The name of what is forgotten: "forget20", or one request of it, "forget20:2/4"; empty for finetune."""
        return f"{self.forget}:{self.request}" if self.request else self.forget

    def formula(self) -> Method:
        """The method, balanced if that was asked for."""
        method = methods.find(self.method)
        return Balanced(method, self.settings) if self.balance else method

    def precision(self, device: "torch.device") -> "torch.dtype":
        """Of the weights."""
        return dtype_of(self.dtype, device)

    def lora_settings(self) -> parts.Lora | None:
        """The adapters to train, or None for the weights themselves."""
        return parts.Lora(self.lora_r, self.lora_alpha, self.lora_dropout) if self.lora else None

    def set_options(self) -> SetOptions:
        """How the method's sets are to be built."""
        return SetOptions(**{name: getattr(self, name) for name in SetOptions._fields})

    def as_dict(self) -> dict[str, Any]:
        """Every option with its value, the method's own included, and the recipe that some came from."""
        return {**asdict(self), **self.settings, **({"recipe": self.recipe} if self.recipe else {})}


def dtype_of(name: str, device: "torch.device") -> "torch.dtype":
    """The precision that ``--dtype`` names; ``auto`` is float32 on a CPU, else bfloat16."""
    import torch

    names = {"auto": "float32" if device.type == "cpu" else "bfloat16"}
    dtype: torch.dtype = getattr(torch, names.get(name, name))
    return dtype


def _check_choice(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [value for value in given if value not in known]:
        raise BenchmarkError(f"{option} knows no {unknown[0]!r}. Known: {', '.join(known)}.")
    if not given and option == "--tune":
        raise BenchmarkError(f"--tune names no part. Known: {', '.join(known)}.")


def parse(
    argv: Sequence[str], choose_config: Callable[[Namespace], Path | None] | None = None
) -> "tuple[UnlearnArguments, TrainingArguments]":
    """Read a command line; options in it win over those of its ``--config FILE.yaml``.

    Where it has no ``--config``, ``choose_config`` may name one for the other options. Raises ``BenchmarkError`` for
    unknown options (naming the nearest known ones) and wrong values.
    """
    from transformers import TrainingArguments

    own = methods.hyperparameter_types()
    values = _parse_options(argv, [UnlearnArguments, TrainingArguments], own, choose_config)
    hyperparameters = {name: values[name] for name in own if values[name] is not None}
    ours = {f.name: values[f.name] for f in fields(UnlearnArguments)}
    arguments = UnlearnArguments(**ours, hyperparameters=hyperparameters, config=values["config"])
    training = _training_arguments(values)
    follows: dict[str, Any] = {}
    if whole := arguments.global_batch_size:
        at_once, times = micro_batches(whole, training.per_device_train_batch_size, training.world_size)
        follows |= {"per_device_train_batch_size": at_once, "gradient_accumulation_steps": times}
    if values["bf16"] is None and _adapters_in_bfloat16(arguments, training):
        follows |= {"bf16": True, "use_cpu": training.device.type == "cpu"}
    return arguments, _training_arguments({**values, **follows}) if follows else training


def _adapters_in_bfloat16(arguments: UnlearnArguments, training: "TrainingArguments") -> bool:
    """Whether adapters, which peft keeps in float32, compute in the bfloat16 of their base unless ``--bf16`` is given.

    FSDP would turn the base to float32 for it.
    """
    half = arguments.lora and str(arguments.precision(training.device)) == "torch.bfloat16"
    return half and training.mixed_precision == "no" and os.environ.get("ACCELERATE_USE_FSDP") != "true"


def micro_batches(global_batch: int, most: int, devices: int) -> tuple[int, int]:
    """How many samples a device reads at once, at most ``most``, and how often in a step, to draw ``global_batch``.

    Raises ``BenchmarkError`` where that does not come out even.
    """
    share, rest = divmod(global_batch, devices)
    if rest:
        even = devices * -(-global_batch // devices)
        raise BenchmarkError(
            f"--global_batch_size {global_batch} cannot be shared out among {devices} devices. Give "
            f"--global_batch_size {even}, or another number of processes."
        )
    at_once = max(size for size in range(1, most + 1) if share % size == 0)
    return at_once, share // at_once


def parse_training(argv: Sequence[str]) -> "TrainingArguments":
    """Like ``parse``, for a command that has only the options of TrainingArguments (and ``--config``)."""
    from transformers import TrainingArguments

    return _training_arguments(_parse_options(argv, [TrainingArguments], {}))


def _parse_options(
    argv: Sequence[str],
    dataclasses: list[Any],
    own: Mapping[str, type],
    choose_config: Callable[[Namespace], Path | None] | None = None,
) -> dict[str, Any]:
    from transformers import HfArgumentParser

    class Parser(HfArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise BenchmarkError(f"{message}. See: python -m unlearn --help")

    parser = Parser(dataclasses, allow_abbrev=False, add_help=False)
    for name, kind in own.items():
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", type=kind, default=None)
    parser.add_argument("--config", default=None)
    parser.set_defaults(bf16=None)  # whether it is given is asked in ``parse``
    known = {action.dest for action in parser._actions}
    argv = [_installed(word, known) for word in argv]
    namespace, unknown = parser.parse_known_args(argv)
    given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in argv if word.startswith("--")}
    _refuse_contradictions(given, "the command line")
    config = namespace.config
    if config is None and choose_config is not None and not unknown:
        config = choose_config(namespace)
    if config is not None:
        values = _read_config(str(config), known - {"config"})
        for other, name in _overruled(values, given).items():
            log.info("--%s is given, so the recipe's %s %s does not count", name, other, values.pop(other))
        if "lora" in given and not namespace.lora:
            values.pop("save", None)  # of adapters that there are not
        parser.set_defaults(config=config, **values)
        namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        raise BenchmarkError(_unknown_option(unknown[0].split("=")[0], known, "--"))
    return vars(namespace)


def _installed(word: str, known: Collection[str]) -> str:
    """A word of the command line, an option by the name that the installed transformers has."""
    name, equals, value = word.partition("=")
    option = name.removeprefix("--").replace("-", "_")
    current = training_option(option, known) if name.startswith("--") else option
    return word if current == option else f"--{current}{equals}{value}"


def _training_arguments(values: dict[str, Any]) -> "TrainingArguments":
    from transformers import TrainingArguments

    if not values["output_dir"]:
        raise BenchmarkError("--output_dir is missing: the folder in which the trained checkpoint is to appear.")
    given = {f.name: values[f.name] for f in fields(TrainingArguments) if f.init and values[f.name] is not None}
    try:
        return TrainingArguments(**given)
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
    values = {training_option(str(key).replace("-", "_"), known): value for key, value in values.items()}
    _refuse_contradictions(values, str(path))
    if shared := values.pop("base", None):  # a recipe holds only what differs from another one beside it
        if shared == path.stem:
            raise BenchmarkError(f"{path}: its base is itself.")
        base = _read_config(str(path.with_name(f"{shared}.yaml")), known)
        weaker = {*_overruled(base, values), *(["save"] if values.get("lora") is False else [])}
        values = {**{key: value for key, value in base.items() if key not in weaker}, **values}
    for key in values:
        if key not in known:
            raise BenchmarkError(f"{path}: {_unknown_option(key, known)}")
    # As text, so that a value is read exactly as it would be on the command line (1e-4 is a string in YAML).
    return {k: v if v is None or isinstance(v, list) else as_text(v) for k, v in values.items()}


def _overruled(values: Collection[str], stronger: Collection[str]) -> dict[str, str]:
    """The options of ``values`` in whose place one of ``stronger`` stands, with that one."""
    return {other: name for name in sorted(stronger) for other in OVERRULED.get(name, ()) if other in values}


def _refuse_contradictions(names: Collection[str], place: str) -> None:
    for one, other in CONTRADICTORY:
        if one in names and other in names:
            raise BenchmarkError(f"{place} has {one} and {other}, which say the same in two ways. Give one of them.")


def recipe_name(config: str | Path) -> str:
    """What a ``--config`` is called: a recipe of ours by its name, whatever place it was taken from."""
    path = Path(config)
    return str(path.relative_to(RECIPES).with_suffix("")) if path.is_relative_to(RECIPES) else str(config)


def as_text(value: Any) -> str:
    """A value as the word that stands for it on a command line."""
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
        (
            "config",
            "FILE.yaml with options as keys, or the name of a recipe (default: the method's, of those in tiny/ for"
            " a model below 100 million parameters); the command line wins",
        ),
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
