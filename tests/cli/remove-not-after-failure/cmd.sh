aecompress --rm notes.txt
