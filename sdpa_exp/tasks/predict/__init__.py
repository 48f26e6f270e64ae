"""task=predict: inference latency and throughput of arms, interleaved in one process on real images."""
