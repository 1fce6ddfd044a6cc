"""Whole files that compile writes, kept as text: a change of the data path is seen as an operator would see it."""
