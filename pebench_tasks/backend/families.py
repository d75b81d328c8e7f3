"""Model families: how any checkpoint is loaded, how its processor is called, and the few that need a case of their own.

Training and scoring load models and call processors here and nowhere else, so that a model is asked for its answers
with the very inputs that it was trained on. Everything goes one generic way, apart from what stands in ``SPECIAL``.
"""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch.nn.functional import pad
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    BatchFeature,
    PretrainedConfig,
    ProcessorMixin,
)
from transformers.utils import cached_file

from pebench_tasks.backend import chat
from pebench_tasks.backend.blame import raised_by_libraries
from pebench_tasks.backend.checkpoint_name import adapter_base
from pebench_tasks.backend.end_tokens import end_no_prompt
from pebench_tasks.backend.weights import check_adapter_keys, check_files, check_keys
from pebench_tasks.errors import BenchmarkError

Images = Sequence[Sequence[Image.Image]]  # of each text; all empty for texts without images
BLANK = Image.new("RGB", (64, 64), (128, 128, 128))
IGNORED = -100  # transformers' label of a token that no loss counts
OWN_ADAPTER = "vision-lora"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


# The generic way


def prompt_inputs(processor: ProcessorMixin, prompts: Sequence[str], images: Images) -> BatchFeature:
    """What the model reads to answer some prompts: tensors of a batch, texts padded on the left."""
    return _call(processor, prompts, images, padding=True, padding_side="left")


def sample_inputs(processor: ProcessorMixin, prompt: str, whole: str, images: Images) -> BatchFeature:
    """What the model reads of one training sample, a batch of one; ``whole`` is the prompt with the answer and its end.

    Families whose answers are not what follows the prompt's tokens give ``labels`` along.
    """
    return _call(processor, [whole], images)


def _call(processor: ProcessorMixin, texts: Sequence[str], images: Images, **options: Any) -> BatchFeature:
    bos = processor.tokenizer.bos_token
    if bos and texts[0].startswith(bos):  # the chat template wrote it
        options["add_special_tokens"] = False
    if any(images):
        options["images"] = [list(pictures) for pictures in images]
    return processor(text=list(texts), return_tensors="pt", **options)


# The families that it does not fit


def _with_pictures(images: Images) -> Images:
    return [pictures or [BLANK] for pictures in images]


def _blip_prompts(processor: ProcessorMixin, prompts: Sequence[str], images: Images) -> BatchFeature:
    return prompt_inputs(processor, prompts, _with_pictures(images))


def _blip_sample(processor: ProcessorMixin, prompt: str, whole: str, images: Images) -> BatchFeature:
    return sample_inputs(processor, prompt, whole, _with_pictures(images))


def _instructblip_prompts(processor: Any, prompts: Sequence[str], images: Images) -> BatchFeature:
    inputs = _blip_prompts(processor, prompts, images)
    question = processor.qformer_tokenizer(list(prompts), padding=True, padding_side="right", return_tensors="pt")
    inputs["qformer_input_ids"] = question["input_ids"]
    inputs["qformer_attention_mask"] = question["attention_mask"]
    return inputs


def _instructblip_sample(processor: Any, prompt: str, whole: str, images: Images) -> BatchFeature:
    inputs = _blip_sample(processor, prompt, whole, images)
    question = processor.qformer_tokenizer([prompt], return_tensors="pt")
    rest = inputs["input_ids"].shape[1] - question["input_ids"].shape[1]
    if rest < 0:  # ``pad`` would cut
        raise BenchmarkError("A question takes more tokens of the Q-Former's than all of its sample. Shorten it.")
    # As many as the sample has tokens: what has a value per token belongs to the text, anything else to the image.
    inputs["qformer_input_ids"] = pad(question["input_ids"], (0, rest))
    inputs["qformer_attention_mask"] = pad(question["attention_mask"], (0, rest))
    return inputs


def _paligemma_prompts(processor: ProcessorMixin, prompts: Sequence[str], images: Images) -> BatchFeature:
    inputs = _paligemma(processor, prompts, images, padding=True, padding_side="left")
    inputs.pop("labels", None)
    return inputs


def _paligemma_sample(processor: ProcessorMixin, prompt: str, whole: str, images: Images) -> BatchFeature:
    answer = whole[len(prompt) :].removesuffix(processor.tokenizer.eos_token).strip()  # a newline stands before it
    inputs = _paligemma(processor, [prompt], images, [answer])
    inputs["labels"] = inputs["input_ids"].masked_fill(inputs["token_type_ids"] == 0, IGNORED)
    return inputs


def _paligemma(
    processor: ProcessorMixin, prompts: Sequence[str], images: Images, answers: Sequence[str] = (), **options: Any
) -> BatchFeature:
    if any(images):
        suffix = {"suffix": list(answers)} if answers else {}
        return _call(processor, prompts, images, **suffix, **options)
    tokenizer = processor.tokenizer  # the processor refuses a text without an image: what it would write around one
    behind = {"text_pair": [answer + tokenizer.eos_token for answer in answers]} if answers else {}
    texts = [f"{tokenizer.bos_token}{prompt}\n" for prompt in prompts]
    return BatchFeature(
        tokenizer(
            texts, **behind, add_special_tokens=False, return_token_type_ids=True, return_tensors="pt", **options
        ).data
    )


class Case(NamedTuple):
    """What one family needs beyond, or instead of, the generic way."""

    note: str  # one sentence for the page of supported families
    prompts: Callable[[ProcessorMixin, Sequence[str], Images], BatchFeature] = prompt_inputs
    sample: Callable[[ProcessorMixin, str, str, Images], BatchFeature] = sample_inputs
    chat_template: str = ""  # for checkpoints that are published without one


GENERIC = Case("")
PLAIN_TEXT = (  # the question, then the answer; TEXT is how the family's own examples write a question
    "{% for message in messages %}{% for part in message['content'] if part['type'] == 'text' %}"
    "{{ (TEXT) if message['role'] == 'user' else ' ' + part['text'] + eos_token }}"
    "{% endfor %}{% endfor %}"
)
SPECIAL = {  # by the class of the processor
    "Blip2Processor": Case(
        "It reads every text with a picture: a question without one gets a grey one (ours).",
        _blip_prompts,
        _blip_sample,
        PLAIN_TEXT.replace("TEXT", "'Question: ' + part['text'] + ' Answer:'"),
    ),
    "InstructBlipProcessor": Case(
        "The Q-Former reads the prompt alone, in training as in scoring, or the answer would leak through it; a "
        "question without a picture gets a grey one (ours).",
        _instructblip_prompts,
        _instructblip_sample,
        PLAIN_TEXT.replace("TEXT", "part['text']"),
    ),
    "PaliGemmaProcessor": Case(
        "The answer goes to the processor as a suffix, and the labels are the processor's; texts without a picture go "
        "to its tokenizer.",
        _paligemma_prompts,
        _paligemma_sample,
        "{% for part in messages[0]['content'] if part['type'] == 'image' %}<image>{% endfor %}"
        + PLAIN_TEXT.replace("TEXT", "part['text']"),
    ),
    "Phi4MultimodalProcessor": Case(
        "Loaded as AutoModelForCausalLM; the processor counts on 256 tokens for every picture as a whole and about as "
        "many again for each of its crops; what listens is never trained. The adapter with which it reads images, "
        "vision-lora, must be merged into it first."
    ),
    "Llama4Processor": Case(
        "The processor's bfloat16 pixels are cast to the model's dtype; routers are never adapted."
    ),
    "SmolVLMProcessor": Case("The processor needs the package num2words."),
}


def case(processor: ProcessorMixin) -> Case:
    """The case of a processor's family; the generic one for most."""
    return SPECIAL.get(type(processor).__name__, GENERIC)


def generation_inputs(processor: ProcessorMixin, messages: Sequence[Sequence[dict[str, Any]]]) -> BatchFeature:
    """Conversations as the batch from which a model generates the next turns; texts padded on the left.

    Contents are lists of ``{"type": "image", "image": PIL image}`` and ``{"type": "text", "text": ...}``.
    """
    prompts = [chat.prompt(processor, one) for one in messages]
    return case(processor).prompts(processor, prompts, pictures(messages))


def pictures(messages: Sequence[Sequence[dict[str, Any]]]) -> Images:
    """The images of every conversation."""
    return [
        [part["image"] for message in one for part in message["content"] if part["type"] == "image"] for one in messages
    ]


def answered_inputs(
    processor: ProcessorMixin, prompts: Sequence[str], wholes: Sequence[str], images: Images
) -> BatchFeature:
    """Prompts with their answers and ends as the batch that a model reads, padded on the right.

    One at a time where ``batches_answers`` says no: these families' ``sample``, with its ``labels`` where it has them.
    """
    if batches_answers(processor):
        return _call(processor, wholes, images, padding=True, padding_side="right")
    (prompt,), (whole,) = prompts, wholes
    return case(processor).sample(processor, prompt, whole, images)


def batches_answers(processor: ProcessorMixin) -> bool:
    """Whether ``answered_inputs`` takes several questions at once."""
    return case(processor).sample is sample_inputs


# Loading


def auto_class(config: PretrainedConfig) -> Any:
    """The class of transformers that loads the model of a configuration."""
    remote = getattr(config, "auto_map", None) or {}
    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING or "AutoModelForImageTextToText" in remote
    return AutoModelForImageTextToText if known else AutoModelForCausalLM


def load_model(
    name: str,
    dtype: torch.dtype,
    *,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    quantization_config: Any = None,
) -> Any:
    """The model in a folder or on the hub; of a folder of adapters, its base with the adapters on top (``PeftModel``).

    Raises ``BenchmarkError`` if it cannot be loaded or is not whole.
    """
    base = adapter_base(name)
    for folder in filter(Path.is_dir, {Path(name), Path(base or name)}):
        check_files(folder, adapter=bool(base) and folder == Path(name))
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if attn_implementation:
        options["attn_implementation"] = attn_implementation
    if quantization_config:
        options["quantization_config"] = quantization_config
    try:
        config = AutoConfig.from_pretrained(base or name, trust_remote_code=trust_remote_code)
        _check_own_adapter(base or name, config)
        model, loading = auto_class(config).from_pretrained(
            base or name, dtype=dtype, output_loading_info=True, **options
        )
        if base:
            model = _with_adapter(model, name, base)
    except pickle.UnpicklingError as error:
        raise BenchmarkError(
            f"The model in {name} cannot be loaded: a pickle in it is damaged or holds more than tensors, and "
            "could run any code. Save the weights as safetensors."
        ) from error
    except Exception as error:
        if not raised_by_libraries(error):
            raise
        raise BenchmarkError(f"The model in {name} cannot be loaded: {' '.join(str(error).split())}") from error
    check_keys(base or name, loading["missing_keys"], loading["unexpected_keys"])
    return model


def _check_own_adapter(name: str, config: PretrainedConfig) -> None:
    """Raise ``BenchmarkError`` for Phi-4-multimodal as it is published: it has an adapter for images beside it."""
    lenient = dict.fromkeys(("missing_entries", "connection_errors", "gated_repo"), False)
    options = {f"_raise_exceptions_for_{what}": raised for what, raised in lenient.items()}
    if config.model_type == "phi4_multimodal" and cached_file(name, f"{OWN_ADAPTER}/adapter_config.json", **options):
        raise BenchmarkError(
            f"{name} reads images with an adapter of its own, {OWN_ADAPTER}, which would be left out. Merge it into "
            f'the model (PeftModel.from_pretrained(model, "{name}", subfolder="{OWN_ADAPTER}"), merge_and_unload), '
            "save that whole (save_pretrained) with the processor, and give its folder."
        )


def _with_adapter(model: Any, name: str, base: str) -> Any:
    """The base with its adapter; peft itself only warns of weights that do not fit, and leaves the base as it was."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, name)
    if not adapted.peft_config["default"].is_prompt_learning:  # peft loads these in a way of its own, and raises
        fit = adapted.load_adapter(name, "default")  # once more: this one says what it found
        check_adapter_keys(name, base, fit)
    return adapted


def load_processor(name: str, trust_remote_code: bool = False) -> ProcessorMixin:
    """The processor of a checkpoint; a folder of adapters without one has its base's.

    Some processors lose their chat template when they are saved: they get the tokenizer's. Raises ``BenchmarkError``
    if there is no processor or no chat template.
    """
    base = adapter_base(name)
    source = base if base and not any((Path(name) / file).is_file() for file in PROCESSOR_FILES) else name
    try:
        processor = AutoProcessor.from_pretrained(source, trust_remote_code=trust_remote_code)
    except Exception as error:
        if not raised_by_libraries(error):
            raise
        raise BenchmarkError(f"The processor in {source} cannot be loaded: {' '.join(str(error).split())}") from error
    if not isinstance(processor, ProcessorMixin):
        raise BenchmarkError(
            f"{source} holds a {type(processor).__name__} alone, but no processor of images and texts."
        )
    chat.choose_template(processor, case(processor).chat_template, source)
    end_no_prompt(processor.tokenizer, base or name, trust_remote_code)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor
