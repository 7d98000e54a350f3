"""Event-level prompts: the grammar that composes and words events, the parser that reads them, and the LLM writer."""
