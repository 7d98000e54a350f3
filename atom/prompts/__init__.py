"""Event-level prompts: the wording of events, the grammar that composes them, and the parser that reads them back."""
