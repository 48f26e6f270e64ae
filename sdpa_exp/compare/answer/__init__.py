"""Which attention to use: what was measured side by side in fresh processes, judged, and said in one sentence."""
