"""How well a network detects: one set of predictions in; figures by class and size, and intervals, out."""
