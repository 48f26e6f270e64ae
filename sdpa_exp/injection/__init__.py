"""Injection: finds the attention sites of a model and makes them compute with a chosen core."""
