"""What people think of the motions of a run: the page they vote on, their votes, and what comes of them."""
