"""All families of the matrix, by key."""

from built_blip import BLIP_FAMILIES
from built_gemma import GEMMA_FAMILIES
from built_idefics import IDEFICS_FAMILIES
from built_kimi import KIMI_FAMILIES
from built_llava import LLAVA_FAMILIES
from built_others import OTHER_FAMILIES
from built_qwen import QWEN_FAMILIES
from family import Family

FAMILIES: dict[str, Family] = {
    family.key: family
    for families in (
        LLAVA_FAMILIES, QWEN_FAMILIES, KIMI_FAMILIES, GEMMA_FAMILIES, IDEFICS_FAMILIES, BLIP_FAMILIES, OTHER_FAMILIES
    )
    for family in families
}  # fmt: skip
