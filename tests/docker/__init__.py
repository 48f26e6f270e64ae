"""The tracking server and the images, as far as no container engine is needed; docker/try/try.sh does the rest."""
