"""Evaluators: networks that embed texts and motions into one space, in which the metrics are computed."""
