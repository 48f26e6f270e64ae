"""The tracking server and the images, as far as no container engine is needed; docker/try.sh does the rest."""
