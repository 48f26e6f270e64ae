"""What the parent samples beside a run: the process tree, the machine, the GPU; never in the measured process."""
