"""A local GGUF model, run in this process by llama.cpp."""

import hashlib
import json
import secrets
import time
from functools import cached_property
from pathlib import Path

# spacy-llm compares these very types with those of the task, and knows typing's names alone.
from typing import Any, Iterable, Literal  # noqa: UP035

from spacy_llm.registry import registry

from ..near_terms import NearTerms
from ..prompt import Prompt, Response
from .completion import failure, mean_logprob
from .grammar import Mode, choice_grammar, passage_grammar

Grammar = Literal["none", "near_terms"] | Mode

_EDGE = 1 << 20
_GIVE_UP_AFTER = 16


class LlamaCpp:
    """Answers prompts one after the other; the weights are loaded at the first one.

    Nothing leaves the process. llama.cpp opens a port on the loopback address for its own web
    interface; it asks for a key that nobody has.

    answered (bool): Whether it has ever answered; a journal tells of earlier runs.
    """

    reads_string = False

    def __init__(
        self,
        path: Path,
        context_length: int,
        sampling: dict[str, float],
        temperature_step: float,
        max_tokens: int,
        n_threads: int,
        stop: list[str],
        grammars: list[Grammar],
        near_terms: NearTerms | None,
    ) -> None:
        self._path = path
        self._context_length = context_length
        self._sampling = sampling
        self._temperature_step = temperature_step
        self._max_tokens = max_tokens
        self._n_threads = n_threads
        self._stop = stop
        self._grammars = grammars
        self._near_terms = near_terms
        self._refused = 0
        self.answered = False

    @cached_property
    def fingerprint(self) -> str:
        """The weights and every setting that bears on an answer.

        RAISES (FileNotFoundError): No weights.
        """
        size = _existing(self._path).stat().st_size
        with self._path.open("rb") as file:
            # Header and last tensors: files of one size that agree in both are the same model.
            edges = file.read(_EDGE)
            file.seek(max(size - _EDGE, 0))
            edges += file.read(_EDGE)
        settings = {
            "model": "clinical_ie.LlamaCpp.v1",
            "weights": [size, hashlib.sha256(edges).hexdigest()],
            "context_length": self._context_length,
            "sampling": self._sampling,
            "temperature_step": self._temperature_step,
            "max_tokens": self._max_tokens,
            "stop": self._stop,
            "grammars": self._grammars,
            **({"near_terms": self._near_terms.fingerprint} if self._near_terms else {}),
        }
        return json.dumps(settings, sort_keys=True)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt, as they are asked for.

        RAISES (FileNotFoundError): No weights.
        RAISES (RuntimeError): llama.cpp refused the weights, or every request from the first on.
        """
        for group in prompts:
            yield [self._answer(Prompt.of(prompt)) for prompt in group]

    @cached_property
    def _server(self) -> Any:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(_existing(self._path))
        params.n_ctx = self._context_length
        # One slot: every request then finds system message and examples evaluated already.
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._n_threads
        params.n_threads_http = 1
        params.cache_ram_mib = 0
        params.verbosity = -1
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.api_keys = [secrets.token_hex(32)]
        try:
            return xllamacpp.Server(params)
        except Exception as error:
            raise RuntimeError(f"{self._path}: llama.cpp cannot load it: {error}") from error

    def _answer(self, prompt: Prompt) -> Response:
        request: dict[str, Any] = {
            **self._sampling,
            "temperature": self._sampling["temperature"] + self._temperature_step * prompt.tries,
            "messages": prompt.messages,
            "max_tokens": self._max_tokens,
            "seed": prompt.seed,
            "cache_prompt": True,
            "logprobs": True,
            "top_logprobs": 1,
            # A passage with blank lines of its own must be able to get past them.
            "stop": [stop for stop in self._stop if stop not in prompt.source],
        }
        if prompt.markers and (grammar := self._grammar(prompt)) is not None:
            if not grammar:
                # One text is allowed, and no model is needed to write it.
                return Response(prompt.source, 0, 0)
            request["grammar"] = grammar
        server = self._server
        began = time.monotonic()
        answer = server.handle_chat_completions(request)
        seconds = time.monotonic() - began
        if "choices" not in answer:
            # Prompts may be too long; where all are refused, something else is wrong.
            self._refused += 1
            if self._refused >= _GIVE_UP_AFTER and not self.answered:
                message = answer.get("error", answer)
                raise RuntimeError(
                    f"{self._path}: llama.cpp refused all of {self._refused} requests; the last "
                    f"time: {message}"
                )
            return failure("request not taken", seconds, refused=True)
        self.answered = True
        choice = answer["choices"][0]
        return Response(
            choice["message"]["content"] or "",
            answer["usage"]["prompt_tokens"],
            answer["usage"]["completion_tokens"],
            seconds,
            choice["finish_reason"] == "length",
            likelihood=mean_logprob(choice),
        )

    def _grammar(self, prompt: Prompt) -> str | None:
        """The grammar of this try; where it has nothing to choose from, that of the next one.

        RETURNS (str | None): None for a free answer, empty where there is nothing but the passage.
        """
        for mode in self._grammars[min(prompt.tries, len(self._grammars) - 1) :]:
            if mode == "none":
                return None
            if mode != "near_terms":
                return passage_grammar(prompt.source, prompt.markers, mode)
            assert self._near_terms is not None
            grammar = choice_grammar(
                prompt.source, prompt.markers, self._near_terms, prompt.links, prompt.echoed
            )
            if grammar is not None:
                return grammar
        return ""


@registry.llm_models("clinical_ie.LlamaCpp.v1")
def make_llamacpp(
    path: str | Path,
    context_length: int = 4096,
    temperature: float = 0.8,
    temperature_step: float = 0.0,
    top_p: float = 0.95,
    top_k: int = 40,
    max_tokens: int = 256,
    n_threads: int = 1,
    stop: list[str] | None = None,
    grammar: Grammar | list[Grammar] = "none",
    near_terms: NearTerms | None = None,
) -> LlamaCpp:
    """A chat model from a GGUF file, with the chat template that the file holds.

    path (str | Path): The weights; looked at when the first prompt comes, not before.
    context_length (int): Tokens of prompt and answer together.
    temperature, top_p, top_k (float, float, int): Sampling; the seed comes with the prompt.
    temperature_step (float): Added to the temperature with each further try at a segment.
    max_tokens (int): An answer that is still going on then is dropped.
    n_threads (int): Two threads on busy cores are slower than one.
    stop (list[str] | None): End an answer, unless the passage itself holds them.
    grammar (Grammar | list[Grammar]): One for each try at a segment, the last for all further
        ones. `markers` lets the model write nothing but text with each marker of the passage
        exactly once, in any order; `terms_fixed` and `context_fixed` keep the words in markers, or
        those between them; with `near_terms` it chooses among terms that are near in meaning, and
        where there are none, nor other words for what stands between, the next in the list is
        used; after the last, the answer is the passage as it is.
    near_terms (NearTerms | None): Tells which those are.
    RAISES (ValueError): An empty list, or the grammar `near_terms` without what it needs.
    """
    grammars = grammar if isinstance(grammar, list) else [grammar]
    if not grammars:
        raise ValueError("clinical_ie.LlamaCpp.v1: grammar is an empty list; expected a name in it")
    if "near_terms" in grammars and near_terms is None:
        raise ValueError(
            'clinical_ie.LlamaCpp.v1: grammar = "near_terms" needs a block near_terms below it, '
            'with @llm_misc = "clinical_ie.near_terms.v1"'
        )
    return LlamaCpp(
        Path(path),
        context_length,
        {"temperature": temperature, "top_p": top_p, "top_k": top_k},
        temperature_step,
        max_tokens,
        n_threads,
        stop or [],
        grammars,
        near_terms,
    )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `weasel run models` fetches it")
    return path
