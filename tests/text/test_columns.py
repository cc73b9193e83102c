from spacy.lang.en import English

from clinical_ie.text import columns
from clinical_ie.text.columns import PerWord, token_words


class ClearedByAnother(PerWord[str]):
    """A cache that another thread clears right after every update."""

    def update(self, *args, **kwargs):
        super().update(*args, **kwargs)
        self.clear()


def test_words_are_there_whatever_another_thread_does_to_the_cache(monkeypatch):
    monkeypatch.setattr(columns, "_WORDS", ClearedByAnother(str))
    words = token_words(English()("to be or not to be"))
    assert words == ["to", "be", "or", "not", "to", "be"]
    assert words[0] is words[4]


def test_the_cache_is_cleared_once_it_is_full(monkeypatch):
    monkeypatch.setattr(columns, "_WORDS", PerWord(str))
    columns._WORDS.update({1: "a", 2: "b"})
    monkeypatch.setattr(columns, "_MAX_WORDS", 1)
    assert token_words(English()("to be")) == ["to", "be"]
    assert sorted(columns._WORDS.values()) == ["be", "to"]


def test_what_is_made_of_a_word_is_made_once():
    asked = []
    lengths = PerWord(lambda word: asked.append(word) or len(word))
    for text in ("to be or not to be", "to do"):
        doc = English()(text)
        orths = doc.to_array("ORTH").tolist()
        assert lengths.of(orths, doc.vocab.strings) == [len(token) for token in doc]
    assert sorted(asked) == ["be", "do", "not", "or", "to"]
