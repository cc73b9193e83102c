"""The spacy-llm task: makes a prompt for each Doc, decodes and judges the answer, and stores it."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

# spacy-llm compares these types with those of the model, and only knows typing's.
from typing import Any, Iterable  # noqa: UP035
from weakref import WeakKeyDictionary

import jinja2
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy_llm.registry import registry

from .answer import is_refusal, rewrite_in
from .attempt import Attempt, attempt_of, judged, set_rewrite
from .examples import Pair, checked_pairs
from .filters import Case, Filter, Passage, default_filters, first_objection
from .markup import Markup, MarkupError, decode, encode, keys_in, read_loosely
from .mend import has_articles, mended
from .models.completion import CUT
from .prompt import Prompt, Response
from .segment import Segment, segment_of
from .tables import in_columns
from .terms import Terms, collect_terms, load_terms

TEMPLATE = "structured_rewrite.v2.jinja"
EXAMPLES = "examples.v1.yml"
# A failed answer longer than this many times its source is not sent back as feedback: the model
# probably went on without end.
_TOLD_UP_TO = 4

Examples = Iterable[Any]


class StructuredRewrite:
    """Rewrites the text of a Doc around its mentions; text and mentions of the Doc itself stay.

    template (str): Jinja with the blocks `system`, `user` and `again`.
    examples (list[Pair]): Few-shot pairs, both sides in markup.
    label_definitions (Mapping[str, str]): One line per label; the prompt has those of its segment.
    filters (dict[str, Filter]): By the reason under which dropped rewrites are counted.
    terms (Terms): Terms of the training split, for the filters.
    """

    def __init__(
        self,
        template: str,
        examples: list[Pair],
        label_definitions: Mapping[str, str],
        filters: dict[str, Filter],
        terms: Terms,
    ) -> None:
        self._filters = filters
        self._set_up(template, examples, label_definitions, terms)

    def _set_up(
        self,
        template: str,
        examples: list[Pair],
        label_definitions: Mapping[str, str],
        terms: Terms,
    ) -> None:
        self._source = template
        self._template = _parsed(template)
        self.examples = examples
        self._definitions = dict(label_definitions)
        self._terms = terms
        self._has_articles = has_articles(terms.wording)
        self._shown_examples = [self._shown(pair) for pair in examples]
        self._few_shot = [
            {"role": "system", "content": self._block("system")},
            *(
                {"role": role, "content": shown[side]}
                for shown in self._shown_examples
                for role, side in (("user", "user"), ("assistant", "rewrite"))
            ),
        ]
        # The prompt of each Doc, until its answer comes.
        self._asked: WeakKeyDictionary[Doc, tuple[Segment, Attempt, Prompt]] = WeakKeyDictionary()
        self._example_texts = tuple(read_loosely(pair.rewrite)[0] for pair in examples)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        nlp: Language,
    ) -> None:
        """Learn terms from examples if the config has none (`nlp.initialize`)."""
        if self._terms.labels:
            return
        terms = collect_terms(example.reference for example in get_examples())
        # spaCy makes up examples if it is given none.
        if terms.labels:
            self._set_up(self._source, self.examples, self._definitions, terms)

    def generate_prompts(self, docs: Iterable[Doc]) -> Iterable[Prompt]:
        """Make a prompt for each Doc; `set_attempt` determines its seed.

        If its mentions cannot be encoded, the prompt has no markers, and the answer is dropped
        when parsed.
        """
        for doc in docs:
            self._asked[doc] = asked = self._asked_of(doc)
            yield asked[2]

    def _asked_of(self, doc: Doc) -> tuple[Segment, Attempt, Prompt]:
        segment, attempt = segment_of(doc), attempt_of(doc)
        return segment, attempt, self._prompt(segment, attempt)

    def _prompt(self, segment: Segment, attempt: Attempt) -> Prompt:
        try:
            markup = encode(segment.text, segment.annotations.mentions)
        except MarkupError:
            markup = encode(segment.text, [])
        values = self._values(markup)
        turns = [*self._few_shot, {"role": "user", "content": self._block("user", **values)}]
        answer, complaint = attempt.failed or ("", "")
        if len(answer) > _TOLD_UP_TO * len(markup.text):
            answer = complaint = ""
        if complaint:
            turns += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": self._block("again", complaint=complaint)},
            ]
        return Prompt(
            self._template.render(
                examples=self._shown_examples,
                answer=answer,
                complaint=complaint,
                **values,
            ),
            turns,
            source=markup.text,
            markers=markup.markers,
            links=tuple(segment.annotations.links),
            bound=segment.bound,
            echoed=segment.echoed,
            seed=attempt.seed,
            variant=attempt.variant,
            tries=attempt.tries,
        )

    def parse_responses(self, docs: Iterable[Doc], responses: Iterable[Any]) -> Iterable[Doc]:
        """Store a `Rewrite` on every Doc, whatever its answer.

        responses (Iterable[Any]): For each Doc a list of one string. (For a task without shards,
            spacy-llm's type check expects bare strings, hence `Any`.)
        """
        docs = list(docs)
        for doc, answers in zip(docs, responses, strict=True):
            asked = self._asked.pop(doc) if doc in self._asked else self._asked_of(doc)
            segment, attempt, prompt = asked
            answer = Response.of(next(iter(answers), ""))
            markup, at_end = rewrite_in(answer, prompt.source)
            if answer.strip() and not markup and not answer.fault:
                answer = answer.with_text(str(answer), "reasoning without a rewrite")
            cut = answer.cut and at_end
            rewrite = judged(
                answer,
                markup,
                self._judge(segment, attempt, prompt, answer, markup, cut),
                prompt_sha256=prompt.sha256,
                seed=prompt.seed,
                variant=prompt.variant,
            )
            set_rewrite(doc, rewrite)
            yield doc

    def to_bytes(self, exclude: Iterable[str] = ()) -> bytes:
        """Template, examples, definitions and terms; the filters come from the config."""
        return srsly.msgpack_dumps(
            {
                "template": self._source,
                "examples": [pair.as_dict() for pair in self.examples],
                "label_definitions": self._definitions,
                "terms": self._terms.as_dict(),
            }
        )

    def from_bytes(self, data: bytes, exclude: Iterable[str] = ()) -> "StructuredRewrite":
        """Restore what `to_bytes` returned."""
        content = srsly.msgpack_loads(data)
        self._set_up(
            content["template"],
            [Pair(**pair) for pair in content["examples"]],
            content["label_definitions"],
            Terms.from_dict(content["terms"]),
        )
        return self

    def to_disk(self, path: Path, exclude: Iterable[str] = ()) -> None:
        """Write one file; it contains words of training notes, so only its owner can read it."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_bytes(self.to_bytes())

    def from_disk(self, path: Path, exclude: Iterable[str] = ()) -> "StructuredRewrite":
        """Read what `to_disk` wrote."""
        return self.from_bytes(path.read_bytes())

    def _judge(
        self,
        segment: Segment,
        attempt: Attempt,
        prompt: Prompt,
        answer: Response,
        markup: str,
        cut: bool,
    ) -> tuple[str, list[list[int]], str, str]:
        """Text and spans of a decoded answer, with the reason to drop it and its detail, or ""."""
        mentions = segment.annotations.mentions
        if len(prompt.markers) != len(mentions):
            return "", [], "mentions that cannot be encoded", ""
        if answer.fault or cut:
            return "", [], answer.fault or CUT, markup[-40:]
        try:
            text, new = decode(markup, prompt.markers)
        except MarkupError as error:
            reason = "refusal" if is_refusal(answer) else error.reason
            return "", [], reason, error.detail
        terms = [segment.text[m.start : m.end] for m in mentions]
        text, new = mended(text, new, terms, segment.text[:1].isupper(), self._has_articles)
        text, new = in_columns(segment.text, mentions, text, new)
        case = Case(
            Passage(segment.text, tuple(mentions)),
            Passage(text, tuple(new)),
            prompt.links,
            self._terms,
            (*attempt.siblings, *self._example_texts),
            _likelihood(answer, len(new)),
            segment.echoed,
        )
        objection = first_objection(self._filters, case)
        return text, [[m.start, m.end] for m in new], *(objection or ("", ""))

    def _values(self, markup: Markup) -> dict[str, Any]:
        """The variables of the block `user`."""
        labels = dict.fromkeys(marker.label for marker in markup.markers)
        return {
            "source": markup.text,
            "markers": list(markup.keys),
            "definitions": [(x, self._definitions[x]) for x in labels if x in self._definitions],
        }

    def _shown(self, pair: Pair) -> dict[str, str]:
        """An example as a user turn and its answer."""
        markers = keys_in(pair.source)
        user = self._block("user", source=pair.source, markers=markers, definitions=[])
        return {"user": user, "rewrite": pair.rewrite}

    def _block(self, name: str, **values: object) -> str:
        context = self._template.new_context(values)
        return "".join(self._template.blocks[name](context)).strip()


def _likelihood(answer: Response, mentions: int) -> float | None:
    """Log-probability of an answer, divided by its number of mentions."""
    if answer.likelihood is None or answer.completion_tokens is None:
        return None
    return answer.likelihood * answer.completion_tokens / max(mentions, 1)


def _parsed(template: str) -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    try:
        parsed = environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"the prompt template, line {error.lineno}: {error.message}") from error
    missing = {"system", "user", "again"} - parsed.blocks.keys()
    if missing:
        raise ValueError(f"the prompt template has no block {', '.join(sorted(missing))}")
    return parsed


@registry.llm_tasks("clinical_ie.StructuredRewrite.v1")
def make_structured_rewrite(
    template: str | None = None,
    examples: Examples | Callable[[], Examples] | None = None,
    label_definitions: dict[str, str] | None = None,
    filters: dict[str, Any] | None = None,
    terms: str | Path | None = None,
) -> StructuredRewrite:
    """Make the task.

    template (str | None): Default: `structured_rewrite.v2.jinja`, which comes with the package.
    examples (Examples | Callable[[], Examples] | None): Pairs of `source` and `rewrite`, or a
        reader of them; default: the hand-written ones of `examples.v1.yml`; `[]` for none.
    label_definitions (dict[str, str] | None): One line per label, for the prompt.
    filters (dict[str, Any] | None): Each a `Filter`, by the reason under which dropped rewrites are
        counted; default: `default_filters`. (confection checks types before it makes the filters,
        hence `Any`.)
    terms (str | Path | None): Training notes (`.spacy`), for the filters that use terms.
    RAISES (ValueError): The template does not parse or lacks a block, or an example is not a pair
        with equal markers.
    """
    folder = files(__package__) / "templates"
    if examples is None:
        examples = srsly.yaml_loads((folder / EXAMPLES).read_text(encoding="utf8"))
    pairs = checked_pairs(examples() if callable(examples) else examples)
    return StructuredRewrite(
        template or (folder / TEMPLATE).read_text(encoding="utf8"),
        pairs,
        label_definitions or {},
        default_filters() if filters is None else filters,
        load_terms(None if terms is None else Path(terms)),
    )
