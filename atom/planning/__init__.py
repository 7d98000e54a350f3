"""The plan of a run: checks of its inputs and estimates of its cost, before it starts."""
