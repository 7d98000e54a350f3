"""The vision judge: the pictures and questions for a vision-language model, and the scores from its answers."""
