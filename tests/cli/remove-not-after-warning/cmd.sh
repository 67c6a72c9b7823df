aecompress --rm deep.png
