"""What the README claims of the demo, as rules that a table keeps on every machine."""

from collections.abc import Callable, Mapping

Table = Mapping[tuple[str, str], Mapping[str, float]]  # (method, target) -> metric -> figure

CLAIMS: dict[str, Callable[[Table], bool]] = {
    "Finetuned forgot nobody": lambda t: max(t["finetuned", "person"][m] for m in ("efficacy", "generality")) <= 5,
    "Finetuned forgot no event": lambda t: max(t["finetuned", "event"][m] for m in ("efficacy", "generality")) <= 0.3,
    "Finetuned names people": lambda t: t["finetuned", "person"]["retain"] >= 95,
    "Finetuned names people on the images to forget": lambda t: t["finetuned", "event"]["scope"] >= 95,
    "Finetuned names public figures": lambda t: t["finetuned", "person"]["real"] >= 90,
    "Finetuned describes scenes": lambda t: (
        min(t["finetuned", "event"]["retain"], t["finetuned", "person"]["scope"]) >= 0.95
    ),
    "Finetuned describes other scenes": lambda t: t["finetuned", "event"]["real"] >= 0.9,
    "Finetuned knows objects": lambda t: min(t["finetuned", target]["world"] for target in ("person", "event")) >= 80,
    "Goal never saw the people": lambda t: min(t["goal", "person"][m] for m in ("efficacy", "generality")) >= 95,
    "Goal never saw the events": lambda t: min(t["goal", "event"][m] for m in ("efficacy", "generality")) >= 0.9,
    "Goal knows the others": lambda t: t["goal", "person"]["retain"] >= 95,
    "Goal describes the scenes of people it never saw": lambda t: t["goal", "person"]["scope"] >= 0.95,
    "Goal names people in scenes it never saw": lambda t: t["goal", "event"]["scope"] >= 80,
    "ga and gd lose the names they should": lambda t: min(t[m, "person"]["efficacy"] for m in ("ga", "gd")) >= 80,
    "ga takes most other names with it": lambda t: t["ga", "person"]["retain"] <= 25,
    "gd keeps more of them": lambda t: t["gd", "person"]["retain"] >= t["ga", "person"]["retain"] + 10,
    "gd moves events": lambda t: t["gd", "event"]["efficacy"] >= t["finetuned", "event"]["efficacy"] + 0.2,
    "gd keeps the other events": lambda t: t["gd", "event"]["retain"] >= 0.8,
    "a second Goal is nearer than gd": lambda t: (
        t["goal, 2nd seed", "event"]["efficacy"] > t["gd", "event"]["efficacy"]
    ),
}
