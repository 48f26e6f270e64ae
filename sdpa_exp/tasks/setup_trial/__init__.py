"""task=setup_trial: how long does it take to get each implementation, and does it work in the end?"""
