"""Evidence: what a model really executes, layer by layer."""
