"""What watches a training: sets of Ultralytics callbacks, usable on a plain YOLO object too.

| file            | watches |
|---              |---|
| phases.py       | wall time and peak memory of setup, caching, warm-up, train, validation, final eval, attestation |
| event log.py      | epochs, progress |
| data_stream.py  | digest of the first batches and of the weights |
| settings.py     | planned against executed Ultralytics arguments |
| attestation.py  | which kernels ran, after the last timed moment |

Each has `callbacks() -> {event: function}`; `attach.py` registers them on a trainer or a YOLO object, in order.
"""
