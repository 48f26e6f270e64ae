"""What a run leaves behind: the journal, the record, the environment, and the definition of every quantity."""
