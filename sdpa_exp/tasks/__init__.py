"""What a worker can do: one file per task. A task takes a Plan and fills a Record."""
