"""Tests of what is made of the documents by a command."""
