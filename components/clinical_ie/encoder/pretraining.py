"""Domain-adaptive pretraining (Gururangan et al. 2020): an encoder guesses hidden words of notes.

It needs no annotations, so it can use all notes at hand. The result is a folder that can serve as
the encoder of any pipeline.
"""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch

from ..system.gpu import gpu_errors_in_one_line
from ..system.hashing import hash_of
from ..system.memory import kept_in_training, release_memory
from ..system.workplace import claimed
from .loading import check_window, load_pretrained
from .masking import Ints, Pool, mask_windows
from .reading import bfloat16_pays
from .windows import group_by_length
from .wordpieces import SpecialTokens

STATE = "state.pt"
WHOLE = "whole"
REPORT = "pretraining.json"
# The code that an adapted encoder depends on, as well as on notes, settings and weights.
_CODE = ("loading.py", "masking.py", "pretraining.py", "windows.py", "wordpieces.py")
# Between two saved states from which an interrupted run can resume.
SECONDS_BETWEEN_STATES = 60.0


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """How an encoder is adapted.

    epochs (int): How often each note is read.
    window (int): Maximum wordpieces in a window, special tokens included.
    batch_windows (int): Full windows in a step; of shorter ones, as many as fit into their place.
    mask_share (float): Share of the words that are hidden.
    learn_rate, head_rate (float): Of the encoder, and of the new head that guesses.
    seed (int): Determines order, cuts, hidden words and dropout.
    """

    epochs: int
    window: int = 256
    batch_windows: int = 16
    mask_share: float = 0.2
    learn_rate: float = 2e-4
    head_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """The progress of a run.

    done, steps (int): Steps done, and steps in total.
    loss (float): Mean negative log-likelihood of this step's hidden wordpieces, in nats.
    """

    done: int
    steps: int
    loss: float


@gpu_errors_in_one_line("less of --batch-windows or --window")
def pretrain_encoder(
    pools: tuple[Pool, Pool | None],
    encoder: str,
    out: Path,
    settings: PretrainSettings,
    gpu_id: int = -1,
    on_step: Callable[[Step], None] = lambda step: None,
) -> dict[str, Any]:
    """Adapt an encoder to notes; a finished run is not repeated.

    It counts as finished if settings, notes, the encoder's files and this code are unchanged.

    Until the end, the run's state is kept beside `out`, in a folder whose name ends in `.part`. The
    same run, started again, resumes from it and ends with the weights it would have had.

    pools (tuple[Pool, Pool | None]): Training notes, and notes only evaluated after each epoch.
    encoder (str): A folder, or a name on the hub.
    out (Path): Folder for weights, config, tokenizer and a report.
    gpu_id (int): -1 for the CPU.
    RETURNS (dict[str, Any]): The report: settings, sizes, and the losses of each epoch.
    RAISES (ValueError): There are no wordpieces, the window is longer than the encoder allows,
        there is no such GPU, or it fails, or `out` contains something else.
    RAISES (OSError): There is no such encoder, or another run is at work there.
    """
    if out.exists() and not (out / REPORT).is_file():
        raise ValueError(
            f"{out}: exists, but was not made by pretraining; name another folder, or remove it"
        )
    run = _Run(*pools, encoder, settings, _device(gpu_id))
    done = read_report(out)
    if done.get("identity") == run.identity:
        return done
    part = out.with_name(f"{out.name}.part")
    with claimed(part, mode=0o700):
        run.resume(part / STATE)
        for step in run.steps(part / STATE):
            on_step(step)
        report = {"encoder": encoder, **asdict(settings), **run.told, "identity": run.identity}
        # Made beside the state, so that a run stopped here need not repeat any step.
        whole = part / WHOLE
        run.save(whole, report)
        shutil.rmtree(out, ignore_errors=True)
        whole.rename(out)
        shutil.rmtree(part)
    return report


def read_report(folder: Path) -> dict[str, Any]:
    """The report of the finished run that made a folder; empty if there is none."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def load_tokenizer(encoder: str) -> Any:
    """Load the fast tokenizer of an encoder, for `Pool.of`."""
    return load_pretrained(encoder, {}, {}).tokenizer


class _Guess(torch.nn.Module):
    """The head of a masked language model, with the encoder's own embeddings as output weights.

    It starts as close to the identity as the shapes allow, and is discarded at the end.
    """

    def __init__(self, width: int, embeddings: torch.nn.Parameter) -> None:
        super().__init__()
        self.transform = torch.nn.Linear(width, embeddings.shape[1])
        torch.nn.init.eye_(self.transform.weight)
        torch.nn.init.zeros_(self.transform.bias)
        self.norm = torch.nn.LayerNorm(embeddings.shape[1])
        self.bias = torch.nn.Parameter(torch.zeros(len(embeddings)))
        # In a list, so that it does not become a parameter of this module.
        self._embeddings = [embeddings]

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """X: (n, width); returns (n, vocabulary)."""
        X = self.norm(torch.nn.functional.gelu(self.transform(X)))
        return X @ self._embeddings[0].T + self.bias


class _Run:
    def __init__(
        self,
        pool: Pool,
        held_out: Pool | None,
        encoder: str,
        settings: PretrainSettings,
        device: torch.device,
    ) -> None:
        if not len(pool.ids):
            raise ValueError("the notes contain no wordpiece at all: nothing to learn from")
        if held_out is not None and not len(held_out.ids):
            raise ValueError("the held-out notes contain no wordpiece at all: nothing to evaluate")
        torch.manual_seed(settings.seed)
        # With dropout within attention, PyTorch does not use its fast kernels.
        loaded = load_pretrained(encoder, {}, {"attention_probs_dropout_prob": 0.0})
        self._tokenizer, self._encoder = loaded.tokenizer, loaded.transformer
        check_window(settings.window, encoder, self._encoder.config, self._tokenizer)
        self._pool, self._held_out, self._settings = pool, held_out, settings
        self._special = SpecialTokens.of(self._tokenizer)
        self._device = device
        # First of all: the head shares the encoder's embeddings, which PyTorch may replace here.
        self._encoder.to(device)
        embeddings = self._encoder.get_input_embeddings().weight
        # Half of a small encoder's weights, of which a small corpus uses few.
        embeddings.requires_grad_(False)
        self._head = _Guess(self._encoder.config.hidden_size, embeddings).to(device)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": self._learned(), "lr": settings.learn_rate},
                {"params": list(self._head.parameters()), "lr": settings.head_rate},
            ],
            betas=(0.9, 0.98),
            weight_decay=0.01,
        )
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._done = 0
        self._kept = time.monotonic()
        self.told: dict[str, Any] = {
            "notes": len(pool.ends),
            "wordpieces": len(pool.ids),
            "losses": [],
            "held_out_losses": [],
        }
        self._vocabulary = min(len(self._tokenizer), len(embeddings))
        read = [
            hashlib.sha256(part.tobytes()).hexdigest()
            for each in (pool, held_out)
            if each
            for part in (each.ids, each.words, each.ends)
        ]
        about = (encoder, sorted(asdict(settings).items()), read)
        # An encoder on the hub is identified only by its name.
        files = (Path(encoder), *(Path(__file__).with_name(name) for name in _CODE))
        self.identity = hash_of(files, repr(about))

    def _learned(self) -> list[torch.nn.Parameter]:
        return [weight for weight in self._encoder.parameters() if weight.requires_grad]

    def steps(self, state: Path) -> Iterator[Step]:
        """Run the remaining steps; what is done is saved to `state` from time to time."""
        plan = [self._batches(epoch) for epoch in range(self._settings.epochs)]
        in_all = sum(map(len, plan))
        passed = 0
        losses: list[float] = self.told.pop("of_this_epoch", [])
        for batches in plan:
            first, passed = passed, passed + len(batches)
            for number, windows in enumerate(batches, start=first):
                if number < self._done:
                    continue
                losses.append(self._learn(windows, number, in_all))
                self._done = number + 1
                yield Step(self._done, in_all, losses[-1])
                # The losses of an epoch are reported before the state of its last step is saved.
                is_last = self._done == passed
                if is_last:
                    self.told["losses"].append(round(float(np.mean(losses)), 4))
                    if self._held_out is not None:
                        self.told["held_out_losses"].append(round(self._look(self._held_out), 4))
                    losses = []
                if is_last or time.monotonic() - self._kept >= SECONDS_BETWEEN_STATES:
                    self._keep(state, losses)

    def _batches(self, epoch: int) -> list[Ints]:
        """The windows of each step of an epoch."""
        rng = np.random.default_rng([self._settings.seed, 0, epoch])
        groups = self._groups(self._pool, rng)
        return [groups[at] for at in rng.permutation(len(groups))]

    def _groups(self, pool: Pool, rng: np.random.Generator) -> list[Ints]:
        capacity = self._settings.window - len(self._special)
        windows = pool.windows(capacity, rng)
        groups = group_by_length(
            windows[:, 1] - windows[:, 0], self._settings.batch_windows * capacity
        )
        return [windows[group] for group in groups]

    def _learn(self, windows: Ints, number: int, in_all: int) -> float:
        # All random numbers depend only on seed and step, so a resumed run gives the same result.
        torch.manual_seed(self._settings.seed * 1_000_003 + number)
        rng = np.random.default_rng([self._settings.seed, 1, number])
        warm_up = min(50, max(in_all // 10, 1))
        scale = min((number + 1) / warm_up, 1.0) * (1.0 - number / in_all)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * scale
        self._encoder.train()
        total, count = self._loss(self._pool, windows, rng)
        loss = total / max(count, 1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._learned(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        release_memory(kept_in_training(self._encoder.parameters()))
        return float(loss.detach())

    @torch.no_grad()
    def _look(self, pool: Pool) -> float:
        """The mean loss on held-out notes; the same words are hidden each time."""
        self._encoder.eval()
        rng = np.random.default_rng(self._settings.seed)
        sums = [self._loss(pool, windows, rng) for windows in self._groups(pool, rng)]
        return sum(float(total) for total, _ in sums) / max(sum(count for _, count in sums), 1)

    def _loss(
        self, pool: Pool, windows: Ints, rng: np.random.Generator
    ) -> tuple[torch.Tensor, int]:
        """The summed loss of the hidden wordpieces, and their number."""
        share = self._settings.mask_share
        batch = mask_windows(pool, windows, self._special, self._vocabulary, share, rng)
        ids, attention, labels = (
            torch.from_numpy(array).to(self._device)
            for array in (batch.ids, batch.attention, batch.labels)
        )
        with self._mixed():
            hidden = self._encoder(input_ids=ids, attention_mask=attention)[0]
            # Only hidden wordpieces are guessed, which saves most of the head's work.
            rows = labels >= 0
            scores = self._head(hidden[rows])
        loss = torch.nn.functional.cross_entropy(scores.float(), labels[rows], reduction="sum")
        return loss, int(rows.sum())

    def _mixed(self) -> AbstractContextManager[object]:
        if self._device.type == "cuda" and bfloat16_pays(self._device):
            return cast(
                AbstractContextManager[object], torch.autocast("cuda", dtype=torch.bfloat16)
            )
        return nullcontext()

    def _keep(self, path: Path, losses: list[float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        state = {
            "identity": self.identity,
            "done": self._done,
            "told": {**self.told, "of_this_epoch": losses},
            "encoder": self._encoder.state_dict(),
            "head": self._head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        # Readable by its owner only, as the checkpoints of training are.
        with open(new, "wb", opener=partial(os.open, mode=0o600)) as file:
            torch.save(state, file)
        new.replace(path)
        self._kept = time.monotonic()

    def resume(self, path: Path) -> None:
        """Resume the same run where it was interrupted, if it was."""
        if not path.is_file():
            return
        try:
            # Not to the GPU, which has no room for everything twice.
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError):
            # The run starts from the beginning if its state cannot be read.
            return
        if state.get("identity") != self.identity:
            return
        self._encoder.load_state_dict(state["encoder"])
        self._head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._done, self.told = state["done"], state["told"]

    def save(self, folder: Path, report: dict[str, Any]) -> None:
        """Write a folder that `load_pretrained` can read, with the report."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self._encoder.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
        (folder / REPORT).write_text(
            json.dumps(report, indent=1) + "\n", encoding="utf8", newline="\n"
        )


def perplexity(loss: float) -> float:
    """The perplexity that corresponds to a mean loss in nats."""
    return math.exp(min(loss, 50.0))


def _device(gpu_id: int) -> torch.device:
    if gpu_id < 0:
        return torch.device("cpu")
    if gpu_id >= torch.cuda.device_count():
        raise ValueError(f"--gpu-id {gpu_id}: PyTorch sees {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", gpu_id)
