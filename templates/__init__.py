"""Every word that a model or a judge reads, as Jinja files; training and evaluation render the same ones.

A template that asks a question holds a list named ``phrasings``; the first one is canonical (the one that
evaluation asks), all of them are used in training. Templates named ``*_probe`` hold paraphrases that are
reserved for later probes and are never trained. Templates named ``judge_*`` are what a judge reads, those named
``attack_*`` what the tasks of the robustness suite ask beside the evaluation's own questions, and those named
``likelihood_*`` answers whose likelihood is asked.
"""

import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, meta

FOLDER = Path(__file__).parent
JUDGE, ATTACK, LIKELIHOOD = "judge_", "attack_", "likelihood_"


@cache
def environment() -> Environment:
    """The Jinja environment: undefined variables raise, text is not escaped, the final newline is dropped."""
    return Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, autoescape=False)


def names() -> list[str]:
    """The names of all templates, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.jinja"))


def render(template_name: str, /, **variables: object) -> str:
    """Render the template ``template_name`` with ``variables``; surrounding white space is stripped.

    Raises ``ValueError`` for an unknown template (the known ones are listed) and ``jinja2.UndefinedError`` for a
    missing variable.
    """
    try:
        template = environment().get_template(f"{template_name}.jinja")
    except TemplateNotFound:
        raise ValueError(f"There is no template {template_name!r}. Known: {', '.join(names())}.") from None
    return template.render(**variables).strip()


@cache
def phrasings(name: str) -> int:
    """How many phrasings the question template ``name`` holds."""
    source = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    variables = dict.fromkeys(meta.find_undeclared_variables(environment().parse(source)), "")
    module = environment().get_template(f"{name}.jinja").make_module({**variables, "phrasing": 0})
    return len(getattr(module, "phrasings"))  # noqa: B009 (a Jinja export, unknown to the type checker)


@cache
def fingerprint() -> str:
    """16 hexadecimal digits over all templates that a model reads: results of different wordings are told apart by it.

    The judge's prompts are left out: they change no response, and a judge has a fingerprint of its own. So are those of
    the attacks and of likelihoods, which no task asks that existed before them.
    """
    return _hash([name for name in names() if not name.startswith((JUDGE, ATTACK, LIKELIHOOD))])


@cache
def attack_fingerprint() -> str:
    """16 hexadecimal digits over all that the tasks of the robustness suite ask: their templates, and the others."""
    return _hash([name for name in names() if not name.startswith((JUDGE, LIKELIHOOD))])


@cache
def likelihood_fingerprint() -> str:
    """16 hexadecimal digits over all that the likelihood tasks ask: their answers, and the evaluation's templates."""
    return _hash([name for name in names() if not name.startswith((JUDGE, ATTACK))])


@cache
def judge_fingerprint() -> str:
    """16 hexadecimal digits over the prompts that a judge reads."""
    return _hash([name for name in names() if name.startswith(JUDGE)])


def _hash(template_names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in template_names:
        digest.update(name.encode() + b"\0" + (FOLDER / f"{name}.jinja").read_bytes() + b"\0")
    return digest.hexdigest()[:16]
