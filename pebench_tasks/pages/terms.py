"""What the words on the pages mean, in a sentence or two each; ``ui.term(name)`` shows them in place."""

TERMS: dict[str, str] = {
    # the six figures; every one: higher is better
    "Efficacy": "Is it forgotten on the images that were used to unlearn it? People: the share of images whose name is "
    "not given, in percent. Events: 0 to 1, near a Goal model's answer and far from the truth.",
    "Generality": "The same as Efficacy, on images of the forgotten people or events that unlearning did not use.",
    "Retain": "Is what should stay still known? People: the share of names that are right, in percent. Events: 0 to 1, "
    "how near the description is to the truth.",
    "Scope": "The other concept in the very images that were used to unlearn: the scene where a person is forgotten "
    "(0 to 1), the person where an event is (percent). It should stay.",
    "Real": "Pictures outside the benchmark's people: names of public figures that are right (percent), or "
    "descriptions near the truth (0 to 1).",
    "World": "General ability: yes or no questions about objects in images, as POPE asks them; mean F1 in percent. "
    "A response without yes or no counts as wrong.",
    # what they are compared with
    "Goal": "A model trained without what is to be forgotten: the upper bound. Unlearning can hardly do better than "
    "never having seen it.",
    "Finetuned": "The model before unlearning: the lower bound. Doing nothing gives this row.",
    "Forget quality": "The mean of Efficacy and Generality, as shares from 0 to 1. The summary is this project's own.",
    "Retained utility": "The mean of Retain, Scope, Real and World, as shares from 0 to 1 (the joint target has no "
    "Scope). The summary is this project's own.",
    "Distance to Goal": "How far a model stays behind Goal, 0 (nowhere) to 1: the mean of its shortfall in forgetting "
    "and its shortfall in what must stay. Better than Goal costs nothing. This project's own.",
    "Rank": "The place by distance to Goal within this table, whose rows all have the same Finetuned and Goal models. "
    "These are bounds and have none.",
    "Change": "The second model's figure minus the first one's, over the documents that both answered. Above 0: the "
    "second is better.",
    "p": "How often exchanging the two models' answers at random gives a difference at least as large, corrected for "
    "the number of figures looked at (Holm).",
    # how sure
    "Interval": "95 % interval, over whole people, events, figures or images: documents about one of them stand or "
    "fall together. Where nothing varies each of them counts once: 20 of 20 is not certain.",
    "n": "The number of documents behind a figure.",
    # how responses are accounted for
    "Recognised": "The response holds the full name. Where it must be forgotten, any mention counts.",
    "Ambiguous": "The right name among other names of the benchmark: listing names does not count as knowing one.",
    "Denied": "The right name, but the response says that it is not this one, or cannot be told to be.",
    "Another name": "A name of the benchmark, but not the right one.",
    "Refused": "The response says that it cannot or will not tell.",
    "Empty": "The response holds no word. Many empty responses can mean that the run failed, not that anything was "
    "forgotten.",
    "Other": "Any other text.",
    "Partial": "Only the first name or only the surname was given. Counted beside the outcome, not instead of it.",
    "In thoughts": "The name stands in what the model thought, not in its answer. Where it must be forgotten, that "
    "counts as recognised.",
    "Unfinished": "Thoughts without an end, so no answer. Above 5 % of the documents the figure is not shown.",
    "Cut": "The response took all the tokens that it was allowed.",
    "Degenerate": "The response repeats itself or is no sentence: what a broken model writes.",
    "Near": "Documents whose Goal answer is itself close to the truth. They stay in the mean and say little.",
    "Unscored": "Documents whose Goal answer is the truth itself: they have no score.",
    "Invalid": "A response to a yes or no question with neither word in it. It counts as wrong.",
    "Failed": "The judge gave no mark. Above 5 % of the documents the figure is not shown.",
    "Echoed": "The response repeats the question: the backend probably returns its prompt as well.",
    "Unanswered": "The backend's error message in the place of an answer: the request failed.",
    "Neighbours": "Retained events that are near a forgotten one, such as grocery shopping and shopping mall: what "
    "careless unlearning takes along.",
    "Groups": "The names by the people's age, gender, region and occupation: whether forgetting harms some more.",
    # what a result is of
    "Target": "What is forgotten: people, events, or both at once (joint).",
    "Split": "Which people or events are forgotten (forget05: 5 % of them) and which of their images were used to "
    "unlearn. Results of different splits do not compare.",
    "Slice": "The set of documents behind one figure.",
    "Judge": "What marks scene descriptions: lexical (word overlap), an embedding (meaning) or a language model. "
    "Results of different judges never share a column.",
    "Base model": "The foundation model from which Goal, Finetuned and the unlearned model all started.",
    "Method": "The unlearning method, as its run record names it.",
    "Benchmark": "The images and texts that were asked about, by a fingerprint over all of them.",
    "Verified": "A maintainer scored the weights again and got these figures. Without the mark the figures follow from "
    "the submitted responses, but nobody has checked that the model gave them.",
}
