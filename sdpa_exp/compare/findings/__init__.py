"""Findings: what a reader must know about an experiment before the figures."""
