"""What a run leaves behind: the event log, the record, the environment, and the definition of every metric."""
