"""Event-level prompts: the grammar that composes and words events, the parser that reads them, and the LLM writer."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.prompts.grammar import Prompt, write_prompts
    from atom.prompts.text_prompts import make_prompts

__all__, __getattr__, __dir__ = lazy_exports(__name__)
