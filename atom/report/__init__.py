"""The report of a run: one HTML file that needs nothing else, Markdown, data, plots and cards."""
