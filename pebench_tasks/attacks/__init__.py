"""The attacks by questions: what a model that has forgotten is asked in other ways, greedily.

Every attack is one file with its recipe, and one line of this registry, in which results show them. All are asked on
two sides, about forgotten concepts and about a matched set of retained ones; see ``documents``.
"""

from pebench_tasks.attacks import (
    choice,
    combined,
    direct,
    few_shot,
    image_changes,
    jailbreaks,
    languages,
    paraphrase,
    prefill,
    redrawn,
    text_only,
    yes_no,
)
from pebench_tasks.attacks.asking import Attack

CAP = 40  # documents of a slice at the most
SIDES = ("forget", "retain")

QUESTION_ATTACKS: dict[str, Attack] = {
    "direct": direct.ask,
    "paraphrase": paraphrase.ask,
    "yes_no": yes_no.ask,
    "choice": choice.ask,
    "prefix_injection": jailbreaks.asking("prefix_injection"),
    "affirmative_suffix": jailbreaks.asking("affirmative_suffix"),
    "role_play": jailbreaks.asking("role_play"),
    "prefill": prefill.ask,
    "few_shot": few_shot.ask,
    "combined": combined.ask,
    "language_de": languages.asking("de"),
    "language_es": languages.asking("es"),
    "language_fr": languages.asking("fr"),
    "language_zh": languages.asking("zh"),
    "image_noise": image_changes.asking("noise"),
    "image_brightness": image_changes.asking("brightness"),
    "image_contrast": image_changes.asking("contrast"),
    "image_scale": image_changes.asking("scale"),
    "image_crop": image_changes.asking("crop"),
    "image_blur": image_changes.asking("blur"),
    "image_flip": image_changes.asking("flip"),
    "image_occlusion": image_changes.asking("occlusion"),
    "typographic": image_changes.ask_in_writing,
    "face_alone": redrawn.ask_face,
    "scene_alone": redrawn.ask_scene,
    "two_people": redrawn.ask_for_both,
    "text_only": text_only.asking(image=False),
    "text_only_image": text_only.asking(image=True),
}
