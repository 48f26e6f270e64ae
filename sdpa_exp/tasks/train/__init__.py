"""task=train: one real training with an injected backend, watched and attested."""
