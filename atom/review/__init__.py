"""The human review of the motions of a run: the page to vote on, the stored votes, and their evaluation."""
