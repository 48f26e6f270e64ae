"""The attention backends, one file each: conf/attention names the file, and its BACKEND is what runs."""
