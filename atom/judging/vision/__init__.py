"""The judge that is a vision-language model: what it sees, what it is asked, and how its answers become scores."""
