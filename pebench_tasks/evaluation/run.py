"""One run: what must be known about all documents of a harness call at once, and its scores.

lmms-eval hands over one document at a time and never says which run it belongs to. ``Run`` keeps which documents were
asked, whose image was read, with which settings. Three of the harness's habits matter:

- Several of its backends mix the documents of two tasks in one batch, without a word. A document whose image was never
  read has an answer to another document, so the scores of the whole run are withheld.
- Several backends answer "", the question or an error message where generation failed, which looks like perfect
  forgetting: such answers are counted (``marking.failures``).
- Some replace the checkpoint's image resolution by their own: it is watched (``image_sizes``).
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from pebench_tasks.backend.bounded_cache import BoundedCache
from pebench_tasks.benchmark.documents import Document, both_forgotten
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split, is_forgotten
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.announce import say, warn, wrong_questions_line
from pebench_tasks.evaluation.choice import Choice
from pebench_tasks.evaluation.circumstances import installed, where
from pebench_tasks.evaluation.image_sizes import ImageSizes
from pebench_tasks.marking import scoring
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.results.files import TASKS
from pebench_tasks.results.goals import GOAL_TARGETS, Goals, comparable, goal_answers, load_goals
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.summary import describe
from pebench_tasks.run_record import made_for

DECODED_BYTES = 128 * 2**20  # of decoded images, several questions apart; one of 512 px is 0.75 MiB


@dataclass
class Run:
    """One evaluation: all tasks of one harness call on one model."""

    choice: Choice
    benchmark: Benchmark
    names: NameIndex
    model: dict[str, Any]  # what is known of it, by the names of its run record
    image_sizes: ImageSizes
    started_in: str = field(default_factory=os.getcwd)  # relative paths of the result are seen from here
    splits: dict[str, Split] = field(default_factory=dict)
    self_tests: set[str] = field(default_factory=set)  # targets whose task was just constructed
    asked: set[tuple[str, str]] = field(default_factory=set)  # (target, key)
    read: set[tuple[str, str]] = field(default_factory=set)
    mixed: set[tuple[str, str]] = field(default_factory=set)  # read for another task
    cut: dict[tuple[str, str], bool | None] = field(default_factory=dict)  # took all tokens allowed; None: unknown
    generation: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    goals: dict[str, Goals] = field(default_factory=dict)  # by target, once its first document was asked
    unread: frozenset[tuple[str, str]] | None = None  # None until scoring begins
    pictures: BoundedCache[str, Image.Image] = field(default_factory=lambda: BoundedCache(DECODED_BYTES))
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asks_a_goal(self) -> bool:
        """Whether the model is a Goal, whose answers others are compared with."""
        return self.model.get("method") == "goal"

    def begin(self, target: str) -> list[Document]:
        """The documents of a target's task, which now belongs to this run.

        Raises ``BenchmarkError`` where the model was trained on other data, or made for another forget set than the
        one that nobody chose, and where the list of public figures is of another foundation model.
        """
        check_model(self.model, self.choice, self.benchmark, target)
        self._check_known()
        rows = self.choice.documents(self.benchmark, target)
        split = self.splits[target] = self.benchmark.split(target, self.choice.forget)
        others = self._other_target(target), self._other_split(target, split.split_id)
        if any(others):
            say(wrong_questions_line(self.model["pretrained"], target, split.forget, *others))
        self.self_tests.add(target)
        return rows

    def _check_known(self) -> None:
        """A list of figures that another foundation model knew says nothing about this one."""
        known = self.choice.known_figures(self.benchmark)
        base = self.model.get("base")
        if known is None:
            return
        if not (base and known.base):
            if not self.splits:  # once, not for every target
                say(f"nothing says whether {self.choice.known} is of this model's foundation model: no run record")
        elif known.base != base:
            raise BenchmarkError(
                f"{self.choice.known} lists what the foundation model {known.base} knew, but "
                f"{self.model['pretrained']} comes from {base}. Make the list of that one:  "
                "pebench real filter RESULTS --out FILE"
            )

    def ask(self, doc: Document, prompts: dict[str, str], generation: dict[str, Any] | None) -> None:
        """Note that a document is asked, and how; fails at once where the Goal's answer to it is missing."""
        target = doc["target"]
        if target in self.self_tests:  # the harness tries every new task on its first document
            self.self_tests.remove(target)
            return
        self.asked.add((target, doc["key"]))
        if target not in self.prompts:
            self.prompts[target] = prompts
            # As a results file would have it, since that of the Goal is compared with it.
            self.generation[target] = None if generation is None else json.loads(json.dumps(generation))
        if target in GOAL_TARGETS and self.choice.goal is not None:
            if target not in self.goals:
                wanted = comparable(self._facts(doc), self.model.get("base") or None)
                self.goals[target] = load_goals(self.choice.goal, wanted, target)
            if scoring.forgotten_scene(doc["kind"], doc["slice"]):
                self.goals[target].of(doc["key"])  # raises now, not after hours of generation

    def image(self, doc: Document, target: str) -> Image.Image:
        """The document's image, read for a document of ``target``; records that it was read."""
        with self.lock:
            (self.read if doc["target"] == target else self.mixed).add((doc["target"], doc["key"]))
            picture = self.pictures.get(doc["image"])
        if picture is None:
            picture = self.benchmark.image(doc["image"])
            width, height = picture.size
            with self.lock:
                self.pictures.put(doc["image"], picture, 3 * width * height)
        self.image_sizes.handed_out(picture.size)
        return picture.copy()  # a backend may write into it

    def mark(self, doc: Document, response: str) -> dict[str, Any]:
        """The metrics of one answered document and its provenance; the provenance alone where scores are withheld."""
        answers = goal_answers(self.goals.get(doc["target"]), doc)
        cut = self.cut.get((doc["target"], doc["key"]))
        if withheld := self._withheld(doc):
            record = scoring.score(doc, response, self.names, answers, cut=cut).provenance
            # Named is whom processes that do not withhold name.
            judge = None if record.judge is None else self.choice.marked_by
            return scoring.Score({}, replace(record, judge=judge, withheld=withheld)).logged()
        similarity = self.choice.meaning(self.benchmark) or WORDS
        return scoring.score(doc, response, self.names, answers, self.choice.judge, similarity, cut=cut).logged()

    def conclude(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Where the scores of a target come from, counts, and intervals; says what is odd."""
        documents = [DocumentRecord.from_json(item) for item in items]
        target = documents[0].target
        judge = self.choice.judge
        settings = self.choice.marking_facts(self.benchmark)
        result = {
            "task": TASKS[target],
            **describe(documents, self.benchmark, settings),
            **self._facts(items[0]),
            "other_split": self._other_split(target, documents[0].split),
            "other_target": self._other_target(target),
            **self.choice.record(self.benchmark),
            "goal": self._goal_record(target),
            "judge_settings": settings,
            **where(self.model, self.benchmark, self.choice, self.started_in),
            "image_size": self.image_sizes.found,
            "forget_note": self.splits[target].note,
            "versions": installed(),
        }
        if target == "joint":
            result["both_forgotten"] = both_forgotten(self.splits[target])
        if judge:
            say(f"the judge was asked {judge.calls} times, {judge.cached} judgements were known, {judge.failed} failed")
        warn(ResultRecord.from_json(result), judge.stopped_by if judge else "")
        return result

    def _facts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What identifies the questions of a run, in the form that ``comparable`` compares."""
        target = row["target"]
        return {
            **{name: row[name] for name in ("target", "data", "split", "template", "forget")},
            "generation": self.generation.get(target),
            "prompts": self.prompts.get(target),
        }

    def _other_split(self, target: str, split: str) -> str:
        """Which forget set the model was made for, if it is not the one that is asked; empty where all is well.

        It may be asked about a part of it, and about what the checkpoints before it had to forget.
        """
        if self.model.get("target") != target or self.model.get("split") == split:
            return ""
        of_its_own = is_forgotten(self.splits[target].forget, made_for(self.model.get("record", {}), target))
        return "" if of_its_own else str(self.model["forget"])

    def _other_target(self, target: str) -> str:
        """Which target the model was made for, if it is not the one that is asked; empty where all is well."""
        made_for = self.model.get("target") or target
        return "" if made_for == target else str(made_for)

    def _withheld(self, doc: Document) -> str:
        """Why this run's scores cannot be shown; empty where they can."""
        with self.lock:
            if self.unread is None:
                self.unread = frozenset(self.asked - self.read)
        # Not even asked, so not among the unread, and yet it has an answer: its request came from the harness's cache
        # of requests. Nothing more is known of the others, hence one of one.
        if (doc["target"], doc["key"]) not in self.read and not self.unread:
            return withheld_reason(1, 1, 0)
        return withheld_reason(len(self.unread), len(self.asked), len(self.mixed))

    def _goal_record(self, target: str) -> dict[str, Any] | None:
        goals = self.goals.get(target)
        if goals is None:
            return None
        return {
            "directory": str(self.choice.goal),
            "base": goals.base,
            "runs": [goal.record() for goal in goals.runs],
        }


def check_model(model: Mapping[str, Any], choice: Choice, benchmark: Benchmark, target: str) -> None:
    """Raise ``BenchmarkError`` for a model of other data, or for another forget set than the one that nobody chose."""
    trained_on = model.get("data", benchmark.fingerprint)
    if trained_on != benchmark.fingerprint:
        raise BenchmarkError(
            f"{model['pretrained']} was trained on the benchmark {trained_on}, but {choice.directory} is "
            f"{benchmark.fingerprint}. Choose the one it was trained on (--data or PEBENCH_DATA)."
        )
    own, asked = model.get("forget"), choice.forget
    other = own and model["target"] == target and own != asked
    if other and not choice.forget_chosen:
        raise BenchmarkError(
            f"{model['pretrained']} was made for {own}, and no forget set is chosen, so {asked} would be asked. Choose "
            f"one, such as  --forget {own}  or  PEBENCH_FORGET={own}"
        )


def withheld_reason(unread: int, asked: int, mixed: int) -> str:
    """Why scores are withheld where so many documents' images were never read; empty where they were."""
    if not unread and not mixed:
        return ""
    return (
        f"the images of {unread} documents were never read (of {asked}; {mixed} were read for another task's "
        "question): the backend mixes the documents of several tasks, or took answers from a cache. Run one task a "
        "command, or --batch_size 1, without --use_cache; or use --model pebench_hf."
    )
