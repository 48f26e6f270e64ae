"""The rendered field of crops and weeds: a data set that needs no download, the same on every machine."""
