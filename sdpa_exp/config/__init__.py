"""Configuration: the typed groups, and the frozen Plan made from them."""
