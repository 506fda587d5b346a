"""Which items were compared, as a graph. Every fit of the same comparisons uses it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from eng5_runner.measure.model.comparisons import Comparisons, summed_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"
_Places: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """The pairs that were compared, each once, in either order.

    Attributes:
        first: shape (rows,), the comparisons' own.
        second: shape (rows,), likewise.
        pair: shape (rows,), the index of each row's pair.
        low: shape (pairs,), the item of the pair with the lower index.
        high: shape (pairs,), the other item of the pair.
        component: shape (n,), the index of each item's weakly connected component.
        sizes: shape (components,), number of items in each component.
        indptr: shape (n + 1,), row pointers of the symmetric adjacency matrix in compressed sparse row form.
        indices: shape (2 · pairs,), the columns of its entries.
        entry: shape (2 · pairs,), the pair that each of its entries belongs to.
    """

    first: _Places
    second: _Places
    pair: _Places
    low: _Places
    high: _Places
    component: _Places
    sizes: _Floats
    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    entry: _Places

    @classmethod
    def of(cls, comparisons: Comparisons) -> Links:
        """Build the graph of some comparisons."""
        n = len(comparisons.items)
        low, high = (side(comparisons.first, comparisons.second).astype(np.int64) for side in (np.minimum, np.maximum))
        cells, pair = np.unique(low * n + high, return_inverse=True)
        low, high = np.divmod(cells, max(n, 1))
        row = np.concatenate([low, high])
        order = np.argsort(row, kind="stable")
        indices = np.concatenate([high, low])[order].astype(np.int32)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int32)
        adjacency = csr_array((np.ones(indices.size), indices, indptr), shape=(n, n))
        component = connected_components(adjacency)[1].astype(np.int64)
        return cls(
            first=comparisons.first,
            second=comparisons.second,
            pair=pair.astype(np.int64),
            low=low,
            high=high,
            component=component,
            sizes=np.bincount(component).astype(np.float64),
            indptr=indptr,
            indices=indices,
            entry=np.tile(np.arange(cells.size), 2)[order],
        )

    def are_of(self, rows: Comparisons) -> bool:
        """Whether these are the rows that the graph was built from, perhaps with other outcomes and weights."""
        return rows.first is self.first and rows.second is self.second

    def at(self, rows: Comparisons, amounts: _Floats) -> _Floats:
        """The amount of each row's pair, shape (rows,); 0 where the pair was not compared."""
        if self.are_of(rows):
            return amounts[self.pair]
        n = self.component.size
        asked = np.minimum(rows.first, rows.second) * n + np.maximum(rows.first, rows.second)
        pairs = self.low * n + self.high
        if not pairs.size:
            return np.zeros(asked.size)
        place = np.minimum(np.searchsorted(pairs, asked), pairs.size - 1)
        return np.where(pairs[place] == asked, amounts[place], 0.0)

    def matrix(self, amounts: _Floats) -> csr_array[np.float64]:
        """The symmetric sparse matrix, shape (n, n), with each pair's amount at both of the pair's entries."""
        n = self.indptr.size - 1
        return csr_array((amounts[self.entry], self.indices, self.indptr), shape=(n, n))

    def sums(self, values: _Floats) -> _Floats:
        """The sum of the items' values over each component, shape (components,)."""
        return summed_at(self.component, values, size=self.sizes.size)

    def centred(self, block: _Floats) -> _Floats:
        """A block of shape (n, m) minus the mean of each column over each component."""
        if self.sizes.size == 1:
            whole: _Floats = block - block.mean(axis=0)
            return whole
        means = np.stack([self.sums(column) / self.sizes for column in block.T], axis=-1)
        parts: _Floats = block - means[self.component]
        return parts
