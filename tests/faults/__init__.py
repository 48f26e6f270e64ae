"""Faults, caused with real processes: what each costs, and what the user sees."""
