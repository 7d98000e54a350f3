"""Networks that put texts and motions into one space, in which the metrics of text-to-motion are measured."""
