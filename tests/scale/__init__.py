"""Tests of sweeps under Hydra's other launchers. Slow; each skips where its plugin is not installed."""
