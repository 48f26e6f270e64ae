"""task=bench: arms against each other inside one process, on one model, in interleaved rounds."""
