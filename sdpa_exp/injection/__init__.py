"""Injection: finds the attention layers of a model and makes them compute with a chosen backend."""
