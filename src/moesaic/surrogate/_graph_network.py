"""A small network that reads cells as graphs; optional, for it costs more than it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Graph, Inputs
from moesaic.surrogate._regressor import Regressor

MEMBERS = 2
STEPS = 150
WIDTH = 32
ROUNDS = 3


class GraphNetwork(Regressor):
    """An ensemble of 2 message-passing networks over the edges; all clusters share the trunk.

    The standard deviation is that between the members and what they leave over. Features
    are not read: what it knows of a cell is its live graph.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from the graphs of n inputs and (n, m)."""
        names = sorted({operation for graph in inputs.graphs for *_, operation in graph})
        self._operations = {name: place for place, name in enumerate(names)}
        batch = _Batch(inputs.graphs, self._operations)
        wanted = torch.as_tensor(target, dtype=torch.float32)
        # Drawn in a generator of its own: nobody else's random numbers move.
        with torch.random.fork_rng(devices=[]), _one_thread():
            self._members = []
            for member in range(MEMBERS):
                torch.manual_seed((self._seed + member) % 2**63)
                self._members.append(_train(batch, wanted, len(names)))
        left = target - self._votes(inputs).mean(axis=0)
        self._spread = np.maximum(left.std(axis=0), 1e-3)

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m)."""
        votes = self._votes(inputs)
        return votes.mean(axis=0), np.sqrt(votes.var(axis=0) + self._spread**2)

    def _votes(self, inputs: Inputs) -> Floats:
        batch = _Batch(inputs.graphs, self._operations)
        with torch.no_grad(), _one_thread():
            votes = torch.stack([member(batch) for member in self._members])
        return np.asarray(votes.numpy(), dtype=np.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: such small products are slower, and less repeatable, in many."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Batch:
    """Graphs as one: edges (source, target, operation), the graph of every vertex, inputs."""

    def __init__(self, graphs: tuple[Graph, ...], operations: dict[str, int]) -> None:
        ends: list[tuple[int, int, int]] = []
        owner: list[int] = []
        first: list[bool] = []
        last: list[bool] = []
        for number, graph in enumerate(graphs):
            offset = len(owner)
            count = 1 + max((j for _, j, _ in graph), default=0)
            sources = {i for i, _, _ in graph}
            owner += [number] * count
            first += [vertex == 0 for vertex in range(count)]
            last += [vertex not in sources for vertex in range(count)]
            # An operation never seen in training takes the place after the known ones.
            ends += [
                (offset + i, offset + j, operations.get(name, len(operations)))
                for i, j, name in graph
            ]
        table = torch.tensor(ends, dtype=torch.long).reshape(-1, 3)
        self.source, self.target, self.operation = table.unbind(1)
        self.owner = torch.tensor(owner, dtype=torch.long)
        self.role = torch.tensor([first, last], dtype=torch.float32).T
        self.graphs = len(graphs)


class _Network(nn.Module):
    """Vertices send through operation-wise gated messages, forwards and backwards."""

    def __init__(self, operations: int, outputs: int) -> None:
        super().__init__()
        self.start = nn.Linear(2, WIDTH)
        self.there = nn.ModuleList(nn.Embedding(operations + 1, WIDTH) for _ in range(ROUNDS))
        self.back = nn.ModuleList(nn.Embedding(operations + 1, WIDTH) for _ in range(ROUNDS))
        self.mix = nn.ModuleList(nn.Linear(3 * WIDTH, WIDTH) for _ in range(ROUNDS))
        self.head = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, outputs))

    def forward(self, batch: _Batch) -> Tensor:
        """Return (graphs, outputs)."""
        state = self.start(batch.role)
        for there, back, mix in zip(self.there, self.back, self.mix, strict=True):
            ahead = torch.zeros_like(state).index_add(
                0, batch.target, state[batch.source] * there(batch.operation)
            )
            behind = torch.zeros_like(state).index_add(
                0, batch.source, state[batch.target] * back(batch.operation)
            )
            state = state + nn.functional.silu(mix(torch.cat([state, ahead, behind], dim=1)))
        total = torch.zeros(batch.graphs, WIDTH).index_add(0, batch.owner, state)
        leaves = torch.zeros(batch.graphs, WIDTH).index_add(
            0, batch.owner, state * batch.role[:, 1:]
        )
        head: Tensor = self.head(torch.cat([total, leaves], dim=1))
        return head


def _train(batch: _Batch, target: Tensor, operations: int) -> _Network:
    network = _Network(operations, target.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        torch.autograd.backward(nn.functional.mse_loss(network(batch), target))
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()
