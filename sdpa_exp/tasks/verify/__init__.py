"""task=verify: does this arm compute what stock computes?"""
