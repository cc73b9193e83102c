"""The spacy-llm task: a prompt for each Doc; each answer decoded, judged and kept on its Doc."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

# spacy-llm compares these very types with those of the model, and knows typing's names alone.
from typing import Any, Iterable  # noqa: UP035

import jinja2
import srsly
from spacy.tokens import Doc
from spacy_llm.registry import registry

from ..doc import Mention
from .filters import Filter, Passage, default_filters, first_objection
from .markup import MarkupError, decode, encode, keys_in
from .prompt import Prompt, Response
from .segment import segment_of
from .terms import Terms, load_terms

_ATTEMPT = "clinical_ie.attempt"
_REWRITE = "clinical_ie.rewrite"
TEMPLATE = "structured_rewrite.v1.jinja"
EXAMPLES = "examples.v1.yml"

Examples = Iterable[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What became of one answer.

    text (str): The decoded answer; empty where it could not be decoded.
    spans (list[list[int]]): Start and end of the mentions in it, in the order of the source's.
    markup (str): The answer as it came, cut at the end of the rewrite.
    reason (str): Why it is not to be used; empty for a good one.
    detail (str): What was met; may hold words of the note.
    prompt_sha256 (str): The prompt it answers, with `seed` and `variant`.
    prompt_tokens, completion_tokens (int | None): None where the model does not say.
    seconds (float): Time the model took.
    """

    text: str
    spans: list[list[int]]
    markup: str
    reason: str
    detail: str
    prompt_sha256: str
    seed: int
    variant: int
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float

    def mentions(self, source: Iterable[Mention]) -> list[Mention]:
        """The source's mentions, ids and labels as they were, where they now are."""
        pairs = zip(source, self.spans, strict=True)
        return [Mention(m.id, m.label, ((start, end),)) for m, (start, end) in pairs]


def set_attempt(doc: Doc, seed: int, variant: int) -> None:
    """Say with which seed, and as which variant, the Doc is to be rewritten next."""
    doc.user_data[_ATTEMPT] = [seed, variant]


def rewrite_of(doc: Doc) -> Rewrite:
    """What the task put onto the Doc.

    RAISES (KeyError): It has not been through the task.
    """
    return Rewrite(**doc.user_data[_REWRITE])


class StructuredRewrite:
    """Rewrites the text of a Doc around its mentions; the Doc itself stays as it is.

    template (str): Jinja with the blocks `system` and `user`.
    examples (list[dict[str, str]]): Few-shot pairs of `source` and `rewrite`, both in markup.
    label_definitions (Mapping[str, str]): One line a label; those of the segment are shown.
    filters (dict[str, Filter]): By the reason under which they drop a rewrite.
    terms (Terms): Of the training split, for the filters.
    """

    def __init__(
        self,
        template: str,
        examples: list[dict[str, str]],
        label_definitions: Mapping[str, str],
        filters: dict[str, Filter],
        terms: Terms,
    ) -> None:
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
        try:
            self._template = environment.from_string(template)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(
                f"the prompt template, line {error.lineno}: {error.message}"
            ) from error
        missing = {"system", "user"} - self._template.blocks.keys()
        if missing:
            raise ValueError(f"the prompt template has no block {', '.join(sorted(missing))}")
        self.examples = [{**pair, "markers": keys_in(pair["source"])} for pair in examples]
        self._definitions = dict(label_definitions)
        self._filters = filters
        self._terms = terms
        self._few_shot = [
            {"role": "system", "content": self._block("system")},
            *(turn for example in self.examples for turn in self._turns(example)),
        ]

    def generate_prompts(self, docs: Iterable[Doc]) -> Iterable[Prompt]:
        """One prompt a Doc; `set_attempt` says with which seed.

        A Doc whose mentions cannot be encoded gets a prompt without markers, and its answer is
        dropped when parsed.
        """
        for doc in docs:
            segment = segment_of(doc)
            try:
                markup = encode(segment.text, segment.annotations.mentions)
            except MarkupError:
                markup = encode(segment.text, [])
            seed, variant = doc.user_data.get(_ATTEMPT, (0, 0))
            labels = list(dict.fromkeys(marker.label for marker in markup.markers))
            values = {
                "source": markup.text,
                "markers": keys_in(markup.text),
                "definitions": [
                    (x, self._definitions[x]) for x in labels if x in self._definitions
                ],
            }
            yield Prompt(
                self._template.render(examples=self.examples, **values),
                [*self._few_shot, {"role": "user", "content": self._block("user", **values)}],
                source=markup.text,
                markers=markup.markers,
                links=tuple(segment.annotations.links),
                bound=segment.bound,
                seed=seed,
                variant=variant,
            )

    def parse_responses(self, docs: Iterable[Doc], responses: Iterable[Any]) -> Iterable[Doc]:
        """Put a `Rewrite` onto each Doc; none is left out, whatever its answer.

        responses (Iterable[Any]): For each Doc a list of one string. (spacy-llm checks the type of
            a task without shards as if strings came alone, hence `Any`.)
        """
        docs = list(docs)
        for doc, prompt, answers in zip(docs, self.generate_prompts(docs), responses, strict=True):
            answer = Response.of(next(iter(answers), ""))
            whole = markup = answer.strip()
            # Base models go on with further examples, and chat models explain themselves.
            if "\n\n" not in prompt.source:
                markup = whole.split("\n\n")[0]
            cut = answer.cut and markup == whole
            text, spans, reason, detail = self._judge(doc, prompt, markup, cut)
            rewrite = Rewrite(
                text,
                spans,
                markup,
                reason,
                detail,
                prompt.sha256,
                prompt.seed,
                prompt.variant,
                answer.prompt_tokens,
                answer.completion_tokens,
                answer.seconds,
            )
            doc.user_data[_REWRITE] = asdict(rewrite)
            yield doc

    def _judge(
        self, doc: Doc, prompt: Prompt, markup: str, cut: bool
    ) -> tuple[str, list[list[int]], str, str]:
        """Text and spans of a decoded answer, with reason and detail for not using it."""
        mentions = segment_of(doc).annotations.mentions
        if len(prompt.markers) != len(mentions):
            return "", [], "mentions that cannot be encoded", ""
        if cut:
            return "", [], "cut at max_tokens", markup[-40:]
        try:
            text, new = decode(markup, prompt.markers)
        except MarkupError as error:
            return "", [], error.reason, error.detail
        source, rewrite = Passage(doc.text, tuple(mentions)), Passage(text, tuple(new))
        objection = first_objection(self._filters, source, rewrite, self._terms)
        return text, [[m.start, m.end] for m in new], *(objection or ("", ""))

    def _turns(self, example: dict[str, Any]) -> list[dict[str, str]]:
        user = self._block("user", **example, definitions=[])
        return [
            {"role": "user", "content": user},
            {"role": "assistant", "content": example["rewrite"]},
        ]

    def _block(self, name: str, **values: object) -> str:
        context = self._template.new_context(values)
        return "".join(self._template.blocks[name](context)).strip()


@registry.llm_tasks("clinical_ie.StructuredRewrite.v1")
def make_structured_rewrite(
    template: str | None = None,
    examples: Examples | Callable[[], Examples] | None = None,
    label_definitions: dict[str, str] | None = None,
    filters: dict[str, Any] | None = None,
    terms: str | Path | None = None,
) -> StructuredRewrite:
    """Make the task.

    template (str | None): Default: `structured_rewrite.v1.jinja`, which comes with the package.
    examples (Examples | Callable[[], Examples] | None): Default: the hand-written ones of
        `examples.v1.yml`; `[]` for none.
    label_definitions (dict[str, str] | None): One line a label, for the prompt.
    filters (dict[str, Any] | None): Each a `Filter`, by the reason it stands for; default: every
        one. (confection checks the type before it makes the filters, hence `Any`.)
    terms (str | Path | None): Training notes (`.spacy`), for the filters that know terms.
    RAISES (ValueError): The template does not parse or lacks a block, or an example is no pair
        with the same markers.
    """
    folder = files(__package__) / "templates"
    if examples is None:
        examples = srsly.yaml_loads((folder / EXAMPLES).read_text(encoding="utf8"))
    pairs = list(examples() if callable(examples) else examples)
    for number, pair in enumerate(pairs, start=1):
        if pair.keys() != {"source", "rewrite"}:
            raise ValueError(f"example {number} has {sorted(pair)}; expected source and rewrite")
        if sorted(keys_in(pair["source"])) != sorted(keys_in(pair["rewrite"])):
            raise ValueError(f"example {number}: source and rewrite hold different markers")
    return StructuredRewrite(
        template or (folder / TEMPLATE).read_text(encoding="utf8"),
        pairs,
        label_definitions or {},
        default_filters() if filters is None else filters,
        load_terms(None if terms is None else Path(terms)),
    )
