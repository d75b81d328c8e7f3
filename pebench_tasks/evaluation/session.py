"""The evaluation that is under way in this process.

lmms-eval calls our functions by name and hands nothing from one call to the next: what has to be known between them is
kept in ``session``, and nowhere else. A process has one evaluation at a time, because lmms-eval has.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pebench_tasks.attacks.documents import RobustDocument
from pebench_tasks.attacks.likelihoods import LikelihoodDocument
from pebench_tasks.benchmark.documents import Document
from pebench_tasks.benchmark.reading import Benchmark, shared_benchmark
from pebench_tasks.errors import BenchmarkError, reason
from pebench_tasks.evaluation.announce import NO_GOAL, choice_line, flawed_goal_lines, say
from pebench_tasks.evaluation.choice import Choice, choose
from pebench_tasks.evaluation.datasets_folder import own_datasets_folder
from pebench_tasks.evaluation.image_sizes import ImageSizes
from pebench_tasks.evaluation.likelihood_run import LikelihoodRun
from pebench_tasks.evaluation.robust_run import RobustRun
from pebench_tasks.evaluation.run import Run
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.results.files import TARGETS
from pebench_tasks.results.goals import GOAL_TARGETS, choose_goals, comparable, find_goal_runs, refuse_silent
from pebench_tasks.run_record import recorded_of
from pebench_tasks.versions import say_untested, unsupported_lmms_eval

P = ParamSpec("P")
R = TypeVar("R")

OWN_BACKEND = "pebench_hf"
Beginning = tuple[Choice, Benchmark, NameIndex, dict[str, Any], ImageSizes]


def boundary(function: Callable[P, R]) -> Callable[P, R]:
    """Turn an expected error into an exit with its message: lmms-eval swallows and retries anything less."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (BenchmarkError, OSError) as error:
            raise SystemExit(f"error: {reason(error)}") from error

    return call


class Session:
    """What was chosen, the model at hand, and the run whose documents are asked."""

    def __init__(self) -> None:
        self.image_sizes = ImageSizes(say)
        self._choice: Choice | None = None  # made when tasks were selected, or by a program
        self._by_program = False
        self._model: dict[str, Any] | None = None
        self._run: Run | None = None
        self._robust: RobustRun | None = None
        self._likelihoods: LikelihoodRun | None = None
        self._announced: set[str] = set()

    def select(self, task_names: Sequence[str], variables: Mapping[str, str] = os.environ) -> None:
        """Verify the chosen data, forget set and Goal responses, and say what was chosen.

        What a program has chosen stays; else ``variables`` choose. Called before any model is loaded: lmms-eval loads
        the model before it loads the tasks. Raises ``BenchmarkError`` where something is wrong.
        """
        self.image_sizes.watch()
        say_untested()
        if line := own_datasets_folder():
            say(line)
        if not self._by_program:
            self._choose(choose(variables))
        choice = self._choice
        assert choice is not None
        benchmark = shared_benchmark(choice.directory)
        self.announce(choice_line(choice, benchmark))
        if choice.embedding is not None:  # loads the model: what is wrong with it is said before hours of generation
            choice.embedding.facts(benchmark.events)
        targets = sorted({TARGETS[name] for name in task_names if name in TARGETS})
        choice.check_places(next((target for target in targets if target in GOAL_TARGETS), GOAL_TARGETS[0]))
        for target in targets:
            rows = choice.documents(benchmark, target)
            if target in GOAL_TARGETS and choice.goal is not None:
                wanted = comparable({**rows[0], "generation": None, "prompts": None}, base=None)
                runs = choose_goals(find_goal_runs(choice.goal, target), wanted, choice.goal)
                refuse_silent(runs)
                for line in flawed_goal_lines(runs):
                    self.announce(line)

    @contextmanager
    def chosen(self, choice: Choice) -> Iterator[None]:
        """A program's choice, whatever the environment's variables say; forgotten at the end."""
        self.close()
        self._choice, self._by_program = choice, True
        try:
            yield
        finally:
            self.close()

    def loaded(self, pretrained: str, **facts: Any) -> None:
        """A backend has loaded ``pretrained``; its run record goes into the results of the next run, and only those."""
        self._model = {"pretrained": pretrained, **facts, **recorded_of(pretrained)}

    def begin(self, target: str) -> list[Document]:
        """The documents of a target's task; they belong to the current run, or to a new one.

        A run has a target once, and is over as soon as one of its documents was marked. Raises ``BenchmarkError`` for
        what cannot be measured.
        """
        if line := unsupported_lmms_eval():
            raise BenchmarkError(line)
        if self._run is None or self._run.unread is not None or target in self._run.splits:
            self._run = Run(*self._beginning(self._robust))
        rows = self._run.begin(target)
        if target in GOAL_TARGETS and self._run.choice.goal is None and not self._run.asks_a_goal:
            self.announce(NO_GOAL)
        return rows

    def begin_robust(self, concept: str) -> list[RobustDocument]:
        """The documents of the robust task of a concept, likewise in a run of their own."""
        if line := unsupported_lmms_eval():
            raise BenchmarkError(line)
        if self._robust is None or self._robust.unread is not None or concept in self._robust.splits:
            self._robust = RobustRun(*self._beginning(self._run))
            if self._robust.choice.judge is not None:
                raise BenchmarkError(
                    "Attacks are not marked by a judge that is asked: leave --judge and PEBENCH_JUDGE out, or choose "
                    "embedding:MODEL."
                )
        return self._robust.begin(concept)

    def begin_likelihoods(self, concept: str) -> list[LikelihoodDocument]:
        """The documents of the likelihood task of a concept, likewise in a run of their own."""
        if line := unsupported_lmms_eval():
            raise BenchmarkError(line)
        run = self._likelihoods
        if run is None or run.concluded or concept in run.splits:
            choice, benchmark, _, model, _ = self._beginning(self._run or self._robust)
            run = self._likelihoods = LikelihoodRun(choice, benchmark, model)
        return run.begin(concept)

    def _beginning(self, beside: Run | RobustRun | None) -> Beginning:
        """What a run begins with; ``beside`` may be the other run of the same harness call, on the same model."""
        choice = self._choice or choose()  # a harness without our plugin selects no tasks
        choice.check_places()
        benchmark = shared_benchmark(choice.directory)
        model, self._model = self._model, None
        if model is None and beside is not None and beside.unread is None:
            model = beside.model
        if model is None and choice.checkpoint is not None:
            model = {"pretrained": str(choice.checkpoint), **recorded_of(choice.checkpoint, needed=True)}
        model = model or {}
        self.image_sizes.start(model.get("backend") != OWN_BACKEND)  # which has the checkpoint's own settings
        self.announce(choice_line(choice, benchmark))
        return choice, benchmark, NameIndex(benchmark.names), model, self.image_sizes

    def answered(self, target: str, key: str, cut: bool | None) -> None:
        """A backend has answered a document of the current run; ``cut``: with all tokens allowed, None: unknown."""
        self.run.cut.setdefault((target, key), cut)  # of repeated answers the first one is marked

    @property
    def run(self) -> Run:
        """The run whose documents are asked; ``BenchmarkError`` in a process that did not build them."""
        if self._run is None:
            raise BenchmarkError("The task's documents were not built by this process; start lmms-eval again.")
        return self._run

    @property
    def robust(self) -> RobustRun:
        """The same of the robust tasks."""
        if self._robust is None:
            raise BenchmarkError("The task's documents were not built by this process; start lmms-eval again.")
        return self._robust

    @property
    def likelihoods(self) -> LikelihoodRun:
        """The same of the likelihood tasks."""
        if self._likelihoods is None:
            raise BenchmarkError("The task's documents were not built by this process; start lmms-eval again.")
        return self._likelihoods

    def next_model(self) -> None:
        """Forget what is left of a run that broke off, and a model that was loaded and never scored."""
        self._run = self._robust = self._likelihoods = self._model = None

    def close(self) -> None:
        """Forget everything."""
        self.next_model()
        self._choose(None)
        self._announced = set()

    def _choose(self, choice: Choice | None) -> None:
        """Choose anew; the next command's judge begins with a budget of its own."""
        if self._choice is not None and self._choice.judge is not None:
            self._choice.judge.close()
        self._choice, self._by_program = choice, False

    def announce(self, line: str) -> None:
        """Say a line, unless it was said before."""
        if self.is_new(line):
            say(line)

    def is_new(self, line: str) -> bool:
        """Whether a line was not said before; from now on it was."""
        known = line in self._announced
        self._announced.add(line)
        return not known


session = Session()
