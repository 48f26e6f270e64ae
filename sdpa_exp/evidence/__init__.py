"""Evidence: what a model really executes, site by site."""
