"""Measures our own speed. Run by hand; nothing asserts a clock. Figures with versions are in results/."""
