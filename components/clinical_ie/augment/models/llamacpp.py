"""A local GGUF model, run in this process by llama.cpp."""

import hashlib
import json
import secrets
import time
from functools import cached_property
from pathlib import Path

# spacy-llm compares these annotations with the task's, and knows only the names from typing.
from typing import Any, Iterable, Literal  # noqa: UP035

from spacy_llm.registry import registry

from ..near_terms import NearTerms
from ..prompt import Prompt, Response
from .completion import codes, failure, mean_logprob
from .grammar import Mode, choice_grammar, passage_grammar

Grammar = Literal["none", "near_terms"] | Mode

_EDGE = 1 << 20
_GIVE_UP_AFTER = 16
# What every GGUF file begins with.
_MAGIC = b"GGUF"


class LlamaCpp:
    """Answers prompts one at a time; the weights are loaded for the first one.

    Nothing leaves the process: llama.cpp opens a loopback port for its web interface, but it
    requires a random key that nobody knows.

    answered (bool): Whether it has ever answered; set by a journal with answers of earlier runs.
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
        """The weights and every setting that affects an answer, as JSON.

        RAISES (FileNotFoundError): The weights are missing.
        """
        size = _existing(self._path).stat().st_size
        with self._path.open("rb") as file:
            # Header and last tensors: files of equal size that agree in both hold the same model.
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
        """Answer the prompts lazily, in order.

        RAISES (FileNotFoundError): The weights are missing.
        RAISES (RuntimeError): llama.cpp refused the weights, or every request so far.
        """
        for group in prompts:
            yield [self._answer(Prompt.of(prompt)) for prompt in group]

    @cached_property
    def _server(self) -> Any:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(_existing(self._path))
        params.n_ctx = self._context_length
        # With one slot, every request reuses the evaluated system message and examples.
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
            raise RuntimeError(
                f"{self._path}: llama.cpp cannot load it ({error}): the file is damaged "
                "(`weasel run models` checks and mends those of the table), or a setting such as "
                "context_length asks for more memory than there is"
            ) from error

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
            # A stop string that occurs in the passage would cut its rewrite short.
            "stop": [stop for stop in self._stop if stop not in prompt.source],
        }
        if prompt.markers and (grammar := self._grammar(prompt)) is not None:
            if not grammar:
                # Only one text is possible, and it takes no model to write it.
                return Response(prompt.source, 0, 0)
            request["grammar"] = grammar
        server = self._server
        began = time.monotonic()
        answer = server.handle_chat_completions(request)
        seconds = time.monotonic() - began
        if "choices" not in answer:
            # One prompt may be too long; if all are refused, something else is wrong.
            self._refused += 1
            if self._refused >= _GIVE_UP_AFTER and not self.answered:
                message = answer.get("error", answer)
                raise RuntimeError(
                    f"{self._path}: llama.cpp refused all {self._refused} requests; the last "
                    f"error: {message}"
                )
            error = answer.get("error")
            # Its message would quote the note.
            named = codes([error.get("type")]) if isinstance(error, dict) else []
            reason = " ".join(["request not taken", *(f"({name})" for name in named)])
            return failure(reason, seconds, refused=True)
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
        """The grammar of this try; if it leaves nothing to choose, that of the next one.

        RETURNS (str | None): None for free text, empty if only the passage itself is possible.
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
    """A chat model from a GGUF file, with the chat template of that file.

    path (str | Path): The weights; the file is not opened before it is needed.
    context_length (int): Tokens of prompt and answer together.
    temperature, top_p, top_k (float, float, int): Sampling; the seed comes with the prompt.
    temperature_step (float): Added to the temperature with each further try at a segment.
    max_tokens (int): Longer answers are cut off and dropped.
    n_threads (int): CPU threads; on busy cores, two are slower than one.
    stop (list[str] | None): Strings that end an answer, unless the passage itself has them.
    grammar (Grammar | list[Grammar]): One for each try at a segment, the last for all further
        tries. `markers` allows any text with each marker of the passage exactly once;
        `terms_fixed` also keeps the words inside markers, `context_fixed` those between them;
        `near_terms` gives a choice of terms near in meaning and of equivalent expressions. If there
        are none, the next grammar in the list is used; after the last, the answer is the passage
        itself.
    near_terms (NearTerms | None): Finds the terms near in meaning.
    RAISES (ValueError): A number is out of its range; the list is empty, or has `near_terms` while
        near_terms is None.
    """
    # What llama.cpp takes for "as the model has it" and "without end".
    numbers = ("context_length", context_length, 0), ("max_tokens", max_tokens, -1)
    for name, value, special in numbers:
        if value < 1 and value != special:
            raise ValueError(f"clinical_ie.LlamaCpp.v1: {name} = {value}; expected 1 or more")
    grammars = grammar if isinstance(grammar, list) else [grammar]
    if not grammars:
        raise ValueError("clinical_ie.LlamaCpp.v1: grammar is an empty list; expected names")
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
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; expected a model's .gguf file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `weasel run models` fetches it")
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(f"{path}: is not a GGUF file, or is damaged; expected a model's .gguf")
    return path
