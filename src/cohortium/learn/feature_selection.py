"""Training on the best features alone, without telling which they are.

Which features are chosen is a bit for each, secret: in a cross-validation there are such masks for
each fold, chosen by the samples that train, and one by all samples. A mask multiplies the shared
values, so that each fold has a Gram matrix of its own. Formulas, rounds and errors:
docs/protocol.md, "Selecting features".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from cohortium.learn.blocks import Block
from cohortium.learn.dual_plan import DualPlan
from cohortium.learn.feature_scores import feature_scores
from cohortium.learn.selection_rule import ClassSums, SelectionRule
from cohortium.mpc import Protocol as SecureProtocol
from cohortium.mpc import SecretTensor, concatenate, prepare
from cohortium.mpc.functions import symmetric, top

SELECTED_FEATURES = "selected_features"


class Selected(NamedTuple):
    """1 for each feature that is chosen (parts × features), and what that takes for granted.

    Parts are the samples without each fold, then all samples.
    """

    masks: SecretTensor
    statements: Mapping[str, tuple[SecretTensor, float]]


def select_features(
    protocol: SecureProtocol,
    plan: DualPlan,
    rule: SelectionRule,
    sizes: Mapping[str, int],
    owned: Mapping[str, ClassSums],
) -> Selected:
    """Return ``rule.top`` features of each part; rounds as ``feature_scores`` and ``top``.

    Of features with equal scores the first are taken. The masks are prepared.
    """
    scores, statements = feature_scores(protocol, plan, rule, sizes, owned)
    masks = top(scores, rule.top)
    prepare([masks])
    return Selected(masks, statements)


def selected_gram(
    blocks: Iterable[Block], masks: SecretTensor, plan: DualPlan, rule: SelectionRule
) -> SecretTensor:
    """Return κ·X·diag(s)·Xᵀ for each mask s, one below the other; two rounds a mask.

    Beside the blocks' own; at ``plan.gram_bits``. Each computing party sends to each other 8 bytes
    a value and mask, and as many are dealt: values times secret bits are secret even to their
    owner.
    """
    totals: list[dict[tuple[int, int], SecretTensor]] = [{} for _ in range(masks.shape[0])]
    # By map: a loop's variable would keep a block while the next one is made.
    for products in map(partial(_block_products, masks), blocks):
        totals = [
            {place: old[place] + new if old else new for place, new in of_mask.items()}
            for old, of_mask in zip(totals, products, strict=True)
        ]
    # As many features count in an element as are selected.
    most = plan.clip**2 * rule.top
    return concatenate(
        [
            symmetric(
                {place: each.with_bound(most) for place, each in total.items()},
                fraction_bits=plan.gram_bits,
                exponent=-plan.kappa_exponent,
            )
            for total in totals
        ]
    )


def _block_products(masks: SecretTensor, block: Block) -> list[dict[tuple[int, int], SecretTensor]]:
    """Return a block's products of rows by owners, for each mask: one round a mask."""
    found, count = [], len(block.rows)
    for place in range(masks.shape[0]):
        mask = masks[place : place + 1, block.features]
        # One mask at a time: of all together the memory would be that of all values as often.
        masked = [rows * mask for rows in block.rows]
        prepare(masked)
        pairs = [(i, j) for i in range(count) for j in range(i, count)]
        found.append({(i, j): masked[i] @ block.rows[j].T for i, j in pairs})
    return found
