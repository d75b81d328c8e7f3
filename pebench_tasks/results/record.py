"""What a results file says of one task's figures: where they come from, what was answered, how sure they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from pebench_tasks.marking.failures import ImageSize

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Part = TypeVar("Part", bound=DataclassInstance)

Counts = Mapping[str, int]  # of one slice: "n" documents, and how many of them gave each kind of answer


class ListedFigures(TypedDict):
    """The public figures of a list, where not all were asked about."""

    list: str  # its fingerprint
    known: int
    asked: int
    base: str  # weights of the foundation model that knew them; "" where unknown


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model and how it was loaded, with what its run record says; of one without a record little is known."""

    pretrained: str | None = None
    dtype: str | None = None
    backend: str | None = None
    method: str | None = None
    target: str | None = None
    base: str | None = None  # weights of the foundation model
    weights: str | None = None
    data: str | None = None
    split: str | None = None
    generation: Mapping[str, Any] | None = None  # settings of the checkpoint's own that shaped its answers
    load_in: str | None = None  # to what its weights were rounded before it was scored
    record: Mapping[str, Any] | None = None  # the run record, all but the losses


@dataclass(frozen=True, slots=True)
class UsedGoal:
    """A Goal model whose answers the forgotten scenes were marked with."""

    weights: str
    results: str = ""  # the path of its results file
    flaws: Sequence[str] = ()  # why little can be compared with its answers


@dataclass(frozen=True, slots=True)
class GoalRecord:
    """The Goals of a result, and where their responses lay."""

    directory: str
    runs: Sequence[UsedGoal]


@dataclass(frozen=True, slots=True)
class BenchmarkRecord:
    """The benchmark's name and folder."""

    name: str | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure with its 95 % interval, in the figure's unit; None where it was withheld."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0  # documents
    clusters: int = 0
    unit: str = ""  # what counts as one draw
    note: str = ""
    failed: int = 0  # judgements

    @property
    def varies(self) -> bool:
        """Whether there is an interval to show: before task version 2.0 not where all documents are alike."""
        return self.low is not None and self.high is not None and self.low < self.high


@dataclass(frozen=True, slots=True)
class NeighboursRow(FigureRow):
    """The figure of some of the retained events, and their names."""

    events: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The retained events near a forgotten one, and the others."""

    slice: str
    forgotten: Sequence[str]
    near: NeighboursRow
    other: NeighboursRow


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A name figure over the people of one group; before task version 2.0 without bounds where these are few."""

    value: float
    n: int  # documents
    people: int
    small: bool
    low: float | None = None
    high: float | None = None
    partial: int | None = None  # answers that give a forgotten name away in part; None where no name is forgotten


@dataclass(frozen=True, slots=True)
class Statistics:
    """How sure the figures are, and what they are for parts of the documents."""

    slices: Mapping[str, FigureRow]
    neighbours: Neighbours | None
    groups: Mapping[str, Mapping[str, Mapping[str, GroupRow]]]  # figure -> attribute -> group


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """The ``provenance`` of one result, as its file has it (``json``), and what of it is read, typed.

    Made by ``from_json`` alone, so the two cannot differ. What results of earlier versions lack is None or empty.
    """

    json: Mapping[str, Any] = field(repr=False)
    task: str
    data: str
    split: str
    template: str
    forget: str
    target: str
    judge: str | None  # None where nothing is judged
    withheld: str  # why there are no scores; "" where there are
    n: int | None  # documents
    slices: Mapping[str, Counts]
    mostly_empty: Sequence[str]
    mostly_echoed: Sequence[str]
    echoed: Counts  # by slice
    unanswered: Counts
    cut_unknown: Counts  # by slice: responses of which nobody knows whether they took all tokens allowed
    never_learned: bool | None
    judge_failures: Counts  # by reason
    judge_sources: Counts
    judge_settings: Mapping[str, Any] | None
    statistics: Statistics
    other_split: str  # the forget set that the model was made for, where another was asked
    other_target: str  # the target that it was made for, where another was asked
    retain_documents: str | None
    world_documents: str | None
    real_documents: str | ListedFigures | None
    generation: Mapping[str, Any] | None
    prompts: Mapping[str, str] | None
    goal: GoalRecord | None
    model: ModelRecord
    benchmark: BenchmarkRecord
    image_size: ImageSize | None  # None where no image processor was seen
    started_in: str  # the folder that relative paths in here are seen from; "" where unknown
    versions: Mapping[str, str]

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "ResultRecord":
        """Parse what a file says; KeyError, TypeError or AttributeError where it is not in this form."""
        model = _part(ModelRecord, said.get("model", {}))
        made_for = model.target if model.target and model.target != said["target"] else ""
        return cls(
            json=said,
            task=said.get("task", ""),
            data=said["data"],
            split=said["split"],
            template=said["template"],
            forget=said["forget"],
            target=said["target"],
            judge=said["judge"],
            withheld=said["withheld"],
            n=said.get("n"),
            slices=said.get("slices") or {},
            mostly_empty=said.get("mostly_empty", ()),
            mostly_echoed=said.get("mostly_echoed", ()),
            echoed=said.get("echoed") or {},
            unanswered=said.get("unanswered") or {},
            cut_unknown=said.get("cut_unknown") or {},
            never_learned=said.get("never_learned"),
            judge_failures=said.get("judge_failures", {}),
            judge_sources=said.get("judge_sources", {}),
            judge_settings=said.get("judge_settings"),
            statistics=_statistics(said.get("statistics", {})),
            other_split=said.get("other_split", ""),
            other_target=said.get("other_target", made_for),
            retain_documents=said.get("retain_documents"),
            world_documents=said.get("world_documents"),
            real_documents=said.get("real_documents"),
            generation=said.get("generation"),
            prompts=said.get("prompts"),
            goal=_goal(said.get("goal")),
            model=model,
            benchmark=_part(BenchmarkRecord, said.get("benchmark", {})),
            image_size=said.get("image_size"),
            started_in=said.get("started_in", ""),
            versions=said.get("versions", {}),
        )

    def changed(self, **said: Any) -> "ResultRecord":
        """The record of a file that says this as well."""
        return self.from_json({**self.json, **said})

    def with_goals_of(self, other: "ResultRecord") -> "ResultRecord":
        """The record of a result that was scored with the Goals of another."""
        return self.changed(goal=other.json.get("goal"))

    @property
    def goal_weights(self) -> list[str]:
        """The weights of the Goals that the result was scored with, in the order of its file."""
        return [run.weights for run in self.goal.runs] if self.goal else []


def _part(kind: "type[Part]", said: Mapping[str, Any]) -> "Part":
    """The part of a record that ``said`` describes; what nobody reads stays in ``ResultRecord.json``."""
    return kind(**{one.name: said[one.name] for one in fields(kind) if one.name in said})


def _goal(said: Mapping[str, Any] | None) -> GoalRecord | None:
    if not said:
        return None
    return GoalRecord(said.get("directory", ""), [_part(UsedGoal, run) for run in said["runs"]])


def _statistics(said: Mapping[str, Any]) -> Statistics:
    return Statistics(
        {name: _part(FigureRow, row) for name, row in said.get("slices", {}).items()},
        _neighbours(said.get("neighbours")),
        {
            name: {
                attribute: {group: _part(GroupRow, row) for group, row in groups.items()}
                for attribute, groups in attributes.items()
            }
            for name, attributes in said.get("groups", {}).items()
        },
    )


def _neighbours(said: Mapping[str, Any] | None) -> Neighbours | None:
    if not said:
        return None
    near, other = (_part(NeighboursRow, said[part]) for part in ("near", "other"))
    return Neighbours(said["slice"], said["forgotten"], near, other)
