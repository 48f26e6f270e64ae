"""Attention backends: callables that compute softmax(QK^T)V, with stated requirements. Pure torch."""
