"""The registered architecture of the relation head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from thinc.api import Model, xp2torch
from thinc.types import Floats2d

from ..heads.ensemble import make_head
from ..text.columns import span_borders
from ..torch_shim import LazyTorchShim, run_module
from .candidates import N_DISTANCES, Candidates, Ints, distance_classes

ROWS_AT_ONCE = 1024
SUM_BLOCK = 64


@dataclass(frozen=True, slots=True)
class PairIndex:
    """The candidates of a batch as indices into its concatenated token vectors.

    starts, ends (Ints): First token of each mention and the token after its last, (n_mentions,).
    types (Ints): The type of each mention, (n_mentions,).
    heads, tails (Ints): The mentions of each pair, (n_pairs,).
    between (Ints): First token between the two and the token after the last, (n_pairs, 2).
    distances (Ints): Distance class of each pair, (n_pairs,).
    docs (Ints): First token of each Doc and the token after its last, (n_docs, 2).
    doc_of (Ints): The Doc of each pair, (n_pairs,).
    """

    starts: Ints
    ends: Ints
    types: Ints
    heads: Ints
    tails: Ints
    between: Ints
    distances: Ints
    docs: Ints
    doc_of: Ints


class PairNet(torch.nn.Module):
    """Scores pairs by their mentions (first, last and mean vector, type), the mean vectors of the
    words between and of the note, and the distance.

    The first layer is applied to mentions, and its outputs are combined for each pair, so that the
    large product is computed once per mention, not once per pair.
    """

    def __init__(self, n_in: int, n_out: int, n_types: int, hidden: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(3 * n_in, hidden)
        self.tail = torch.nn.Linear(3 * n_in, hidden)
        self.between = torch.nn.Linear(n_in, hidden)
        self.note = torch.nn.Linear(n_in, hidden, bias=False)
        self.head_type = torch.nn.Embedding(n_types + 1, hidden)
        self.tail_type = torch.nn.Embedding(n_types + 1, hidden)
        self.distance = torch.nn.Embedding(N_DISTANCES, hidden)
        self.norm = torch.nn.LayerNorm(hidden)
        self.inner = torch.nn.Linear(hidden, hidden)
        self.output = torch.nn.Linear(hidden, n_out)

    def forward(self, X: torch.Tensor, index: PairIndex, dropout: float) -> torch.Tensor:
        """X: (n_tokens, n_in); returns (n_pairs, n_out), not normalised."""
        at = partial(xp2torch, device=X.device)
        X = torch.nn.functional.dropout(X, dropout, self.training)
        as_head, as_tail = self.describe(X, at(index.starts), at(index.ends), at(index.types))
        # The mean of an empty note would be NaN, and so would all gradients.
        notes = torch.stack([X[a:b].sum(0) / max(1, b - a) for a, b in index.docs.tolist()])
        # The bias of `between` is added to the notes, of which there are fewer than pairs.
        summaries, doc_of = self.note(notes) + self.between.bias, at(index.doc_of)
        heads, tails, gaps = at(index.heads), at(index.tails), at(index.between)
        distances = at(index.distances)
        # The layer is linear, so it can be applied before the mean: tokens are fewer than pairs.
        words = RunningSums(torch.nn.functional.linear(X, self.between.weight))
        scores = []
        # In parts, since a pair's vectors are several times wider than its scores.
        for part in self.in_parts(len(heads), X.device):
            head = as_head.index_select(0, heads[part])
            tail = as_tail.index_select(0, tails[part])
            # Summed in place: with so many rows, memory access takes most of the time.
            pairs = torch.addcmul(head, head, tail).add_(tail)
            pairs += words.mean(gaps[part, 0], gaps[part, 1])
            pairs += self.distance(distances[part])
            pairs += summaries.index_select(0, doc_of[part])
            hidden = torch.nn.functional.gelu(self.norm(pairs))
            hidden = torch.nn.functional.dropout(hidden, dropout, self.training)
            scores.append(self.output(torch.nn.functional.gelu(self.inner(hidden))))
        return torch.cat(scores)

    def describe(
        self, X: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor, types: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of each mention as a head and as a tail, (n_mentions, hidden) each."""
        sums = RunningSums(X)
        as_head, as_tail = [], []
        for part in self.in_parts(len(starts), X.device):
            first, end, kind = starts[part], ends[part], types[part]
            mentions = torch.cat([X[first], X[end - 1], sums.mean(first, end)], dim=1)
            as_head.append(self.head(mentions) + self.head_type(kind))
            as_tail.append(self.tail(mentions) + self.tail_type(kind))
        return torch.cat(as_head), torch.cat(as_tail)

    def in_parts(self, n_rows: int, device: torch.device) -> tuple[torch.Tensor, ...]:
        """Indices of all rows: in one part in training, in small parts in inference."""
        step = max(1, n_rows) if self.training else ROWS_AT_ONCE
        return torch.arange(n_rows, device=device).split(step)


class RunningSums:
    """Means over many ranges of rows, from running sums.

    Sums run within blocks, and over blocks in double precision: this is accurate on long notes,
    with half the memory of double precision throughout.

    X (torch.Tensor): Shape (n_rows, width).
    """

    def __init__(self, X: torch.Tensor) -> None:
        # With a row of zeros at the front, each sum is that of all rows before a row.
        rest = -(len(X) + 1) % SUM_BLOCK
        blocks = torch.nn.functional.pad(X, (0, 0, 1, rest)).view(-1, SUM_BLOCK, X.shape[1])
        within = blocks.cumsum_(1)
        totals = within[:, -1].to(_exactest(X.device))
        self.within = within.view(-1, X.shape[1])
        self.before = totals.cumsum(0) - totals

    def mean(self, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """The mean of each range, shape (n_ranges, width); zeros for an empty one."""
        lengths = (ends - starts).clamp(min=1).unsqueeze(1)
        sums = self.within.index_select(0, ends).sub_(self.within.index_select(0, starts))
        blocks = torch.stack([starts, ends]) // SUM_BLOCK
        # Most ranges lie within one block.
        across = (blocks[0] != blocks[1]).nonzero().squeeze(1)
        first, last = (self.before.index_select(0, side[across]) for side in blocks)
        return sums.index_add_(0, across, (last - first).to(sums.dtype)).div_(lengths)


def _exactest(device: torch.device) -> torch.dtype:
    """Double precision, except on Apple's GPUs, which do not have it."""
    return torch.float32 if device.type == "mps" else torch.float64


def RelationClassifier(  # noqa: N802
    tok2vec: Model, hidden: int = 256, parts: list[int] | None = None
) -> Model[list[Candidates], Floats2d]:
    """Score each relation label at each candidate.

    tok2vec (Model[list[Doc], list[Floats2d]]): Gives token vectors, usually a listener.
    hidden (int): Width of the hidden layers.
    parts (list[int] | None): Widths of the vectors of several encoders, if those are concatenated:
        each part has a head of its own, and their scores are averaged.
    RETURNS (Model[list[Candidates], Floats2d]): Shape (pairs of all Docs, n_labels), not
        normalised. A batch without pairs passes a gradient of zeros to the encoder, which waits
        for one.
    RAISES (ValueError): `hidden` is below 1.
    """
    if hidden < 1:
        raise ValueError(f"hidden = {hidden}: must be 1 or more")
    return Model(
        "relation_classifier",
        forward,
        init=init,
        layers=[tok2vec],
        refs={"tok2vec": tok2vec},
        dims={"nO": None},
        attrs={"types": [], "dropout_rate": 0.0},
        shims=[LazyTorchShim(partial(make_head, PairNet, parts=parts, hidden=hidden))],
    )


def init(model: Model, X: list[Candidates] | None = None, Y: object = None) -> None:
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=[candidates.doc for candidates in X] if X else None)
    cast(LazyTorchShim, model.shims[0]).build(
        n_in=tok2vec.get_dim("nO"),
        n_out=model.get_dim("nO"),
        n_types=len(model.attrs["types"]),
    )


def forward(
    model: Model, batch: Sequence[Candidates], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Sequence[Candidates]]]:
    n_pairs = sum(len(candidates) for candidates in batch)
    if not (n_pairs or is_train):
        # spacy-transformers' listener fails if there is no token at all.
        return model.ops.alloc2f(0, model.get_dim("nO")), lambda dY: batch
    Xs, backprop_tok2vec = model.get_ref("tok2vec")([c.doc for c in batch], is_train)
    if not n_pairs:

        def backprop_nothing(dY: Floats2d) -> Sequence[Candidates]:
            backprop_tok2vec([model.ops.alloc2f(*X.shape) for X in Xs])
            return batch

        return model.ops.alloc2f(0, model.get_dim("nO")), backprop_nothing
    Y, backprop_net = run_module(
        cast(LazyTorchShim, model.shims[0]),
        model.ops.flatten(Xs),
        is_train,
        index=index_pairs(batch, model.attrs["types"]),
        dropout=model.attrs["dropout_rate"],
    )

    def backprop(dY: Floats2d) -> Sequence[Candidates]:
        backprop_tok2vec(model.ops.unflatten(backprop_net(dY), [len(X) for X in Xs]))
        return batch

    return Y, backprop


def index_pairs(batch: Sequence[Candidates], types: Sequence[str]) -> PairIndex:
    """Concatenate the candidates of several Docs; unknown types get the last type id."""
    type_index = {label: i for i, label in enumerate(types)}
    starts, ends, spans_types = [], [], []
    heads, tails, distances, docs = [], [], [], []
    n_tokens = n_spans = 0
    for candidates in batch:
        span_starts, span_ends = span_borders(candidates.spans)
        starts.append(n_tokens + span_starts)
        ends.append(n_tokens + span_ends)
        spans_types += [type_index.get(span.label_, len(types)) for span in candidates.spans]
        heads.append(candidates.heads + n_spans)
        tails.append(candidates.tails + n_spans)
        distances.append(distance_classes(candidates))
        docs.append((n_tokens, n_tokens + len(candidates.doc)))
        n_tokens += len(candidates.doc)
        n_spans += len(candidates.spans)
    start_array, end_array = np.concatenate(starts), np.concatenate(ends)
    head_array, tail_array = np.concatenate(heads), np.concatenate(tails)
    gap_start = np.minimum(end_array[head_array], end_array[tail_array])
    gap_end = np.maximum(start_array[head_array], start_array[tail_array])
    return PairIndex(
        starts=start_array,
        ends=end_array,
        types=np.array(spans_types),
        heads=head_array,
        tails=tail_array,
        # There is nothing between nested or overlapping mentions.
        between=np.stack([gap_start, np.maximum(gap_start, gap_end)], axis=1),
        distances=np.concatenate(distances),
        docs=np.array(docs),
        doc_of=np.repeat(np.arange(len(batch)), [len(candidates) for candidates in batch]),
    )
