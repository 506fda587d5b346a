"""Whether the places in which items were shown can tell anything about an advantage of being shown first.

They cannot where a table writes the winner first, or where each item always stands in the same place: a position effect
would then explain what the items' quality explains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsqr

from eng5_runner.measure.model.comparisons import TIE

if TYPE_CHECKING:
    from eng5_runner.measure.model.comparisons import Comparisons

NEARLY_ALWAYS = 0.97
"""Where the winner stands in one place so often, the place says who won, or decides it."""
CONFOUNDED = 0.25
"""From so much on (see `confounding`), an effect of the place would take over differences between the items."""


def share_of_first(comparisons: Comparisons) -> float | None:
    """The share of the decided judgements that the item shown first won; None if none was decided.

    >>> from eng5_runner.measure.model.comparisons import comparisons_from
    >>> share_of_first(comparisons_from("xyz", [("x", "y", 1.0), ("y", "z", 1.0), ("x", "z", 0.5)]))
    1.0
    """
    decided = np.where(comparisons.outcome == TIE, 0.0, comparisons.weight)
    total = float(decided.sum())
    return float((decided * comparisons.outcome).sum()) / total if total else None


def confounding(comparisons: Comparisons) -> float:
    """How far the items alone say who is shown first: the adjusted R² of a constant on the items' design.

    About 0 where places were drawn at random or balanced, 1 where δ cannot be told from the items, about .7 for a table
    whose pairs are sorted by the items' names.
    """
    n, weight = len(comparisons.items), comparisons.weight
    total = float(weight.sum())
    root, rows = np.sqrt(weight), np.arange(weight.size)
    design = csr_array(
        (np.concatenate([root, -root]), (np.tile(rows, 2), np.concatenate([comparisons.first, comparisons.second]))),
        shape=(weight.size, n),
    )
    links = csr_array((np.ones(weight.size), (comparisons.first, comparisons.second)), shape=(n, n))
    free = total - (n - connected_components(links, directed=False)[0])
    if free <= 0.0:
        return 1.0
    unexplained = float(lsqr(design, root, atol=1e-8, btol=1e-8)[3]) ** 2
    return 1.0 - (unexplained / free)
