"""What watches a training: sets of Ultralytics callbacks, usable on a plain YOLO object too.

| file            | watches |
|---              |---|
| phases.py       | wall time and peak memory of setup, caching, warm-up, train, validation, final eval, attestation |
| event_log.py    | epochs, progress |
| data_stream.py  | digest of the first batches and of the weights |
| settings.py     | planned against executed Ultralytics arguments |
| finite_loss.py  | a loss that is not finite, or diverges: the batch and the first layer |
| accuracy.py     | what best.pt finds on the val split |
| perturbation.py | that the weights were moved by one ulp, in an A/A copy |
| attestation.py  | which kernels ran, after the last timed moment |

Each has `callbacks() -> {event: function}`; `attach.py` registers them on a trainer or a YOLO object, in order.
"""
