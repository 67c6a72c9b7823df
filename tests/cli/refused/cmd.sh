aecompress cut.jpg photo.svg
