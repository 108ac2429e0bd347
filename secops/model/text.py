"""A sentence in both languages of the product."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in Chinese and English; neither can be left out."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        """The sentence in `language` ("zh" or "en")."""
        return self.zh if language == "zh" else self.en

    def __str__(self) -> str:
        return f"{self.en} ({self.zh})"
