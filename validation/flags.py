"""The flags of the golden cases: which mistake a case is there to catch, and what the mistake does."""

from __future__ import annotations

from typing import Any

FLAGS: dict[str, dict[str, Any]] = {
    flag: {"bug": bug, "effect": effect, "links": links}
    for flag, bug, effect, links in (
        ("CANCELLATION", "nearly equal terms are subtracted", "all digits are lost at large parameters", []),
        ("SUPPORT_EDGE", "the edge of the support is evaluated by 0 * inf or as outside", "nan, or a wrong limit", []),
        (
            "OUT_OF_SUPPORT",
            "a point outside the support gets a finite density",
            "a sampler accepts impossible points",
            [],
        ),
        ("ZERO_LOG_ZERO", "0 * log(0) is computed as written", "nan for a certain event", []),
        ("TINY_P", "a probability is clamped away from 0", "gradient 0 instead of 1/p", []),
        ("HUGE_PARAMETER", "lgamma or digamma differences at large arguments", "errors of whole factors", []),
        ("NEAR_ROOT", "relative accuracy is lost next to a zero of the function", "no correct digit", []),
        ("NEAR_POLE", "relative accuracy is lost next to a pole", "overflow, or a sign error", []),
        ("SUBNORMAL", "subnormal numbers are flushed or divided by", "inf or 0", []),
        ("SATURATION", "a probability rounds to 0 or 1", "gradient 0, or log(0)", []),
        ("ACOS_AT_ONE", "acos is differentiated at 1 or -1", "inf or nan gradients", []),
        ("ZERO_DISTANCE", "the square root is differentiated at 0", "nan gradients for duplicates", []),
        ("ZERO_NORM", "a zero vector is normalised", "nan, or a gradient of 1e12", []),
        ("TIE", "two candidates are equal", "the choice depends on the order of the reduction", []),
        ("KINK", "the function has no derivative here", "each side gives another gradient", []),
        ("EMPTY_ROW", "a row has nothing to sum over", "0/0", []),
        ("FULLY_MASKED", "a softmax has no finite logit", "nan, or the mean of the values", []),
        ("ALIGNMENT", "a causal mask is aligned to the wrong corner when L differs from S", "the future leaks", []),
        ("OVERFLOW_F16", "an intermediate exceeds 65504", "inf or nan in float16", []),
        ("OVERFLOW_F32", "an intermediate exceeds 3.4e38", "inf or nan in float32", []),
        (
            "BROADCAST",
            "the gradient of a broadcast argument is not summed",
            "a gradient of the wrong shape or size",
            [],
        ),
        (
            "BEYOND_PI_MINUS_M",
            "theta + m passes pi, where the cosine rises again",
            "the margin turns into a reward",
            [],
        ),
        ("SELF_PAIR", "a sample is its own positive", "zero distance counts as a pair", []),
        ("LARGE_LOGITS", "exponentials are not shifted by the maximum", "inf / inf", []),
        ("WRONG_BRANCH", "the point lies next to a switch between two algorithms", "a jump in value or gradient", []),
        (
            "GROUPED_HEADS",
            "the key gradients are not summed over the query heads of a group",
            "a gradient too small",
            [],
        ),
        ("MASKED_NAN", "masked entries are multiplied by 0 instead of left out", "nan leaks through the mask", []),
        ("REJECTED", "the proposal is rejected", "the state moves although it must stay", []),
        ("CARRIED_STATE", "the carried density is computed again", "an input of the transition is ignored", []),
        ("WORD_ORDER", "words of a key or counter are taken in another order", "another stream of numbers", []),
        ("WORD_OVERFLOW", "a sum or product of words is not reduced to their size", "wrong from the first round", []),
        ("REJECTED_WORD", "words beyond the last whole multiple are kept", "small integers come too often", []),
        (
            "AMBIGUOUS_CONVENTION",
            "libraries mean different things by the same name",
            "a difference that is no error",
            [],
        ),
    )
}
